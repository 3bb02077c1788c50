"""What runs a model on the samples of an .npz: shared objects of dsc (through libdsrt), .onnx files through ONNX
Runtime."""
import ctypes
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

RUNTIME = Path(__file__).resolve().parents[3] / "runtime"
TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i64": np.int64, "i32": np.int32, "i16": np.int16,
         "i8": np.int8, "ui64": np.uint64, "ui32": np.uint32, "ui16": np.uint16, "ui8": np.uint8, "i1": np.bool_}


class Argument(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("elem", ctypes.c_char_p), ("elem_bits", ctypes.c_uint32),
                ("rank", ctypes.c_uint32), ("dims", ctypes.c_int64 * 16), ("tied", ctypes.c_int32),
                ("is_alias", ctypes.c_int32), ("room_dim", ctypes.c_int32)]


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_uint64), ("dims", ctypes.c_int64 * 16)]


def runtime_library():
    """libdsrt, as a library that Python can open."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "libdsrt.so"
        files = [str(RUNTIME / f) for f in ("model.c", "npy.c", "pool.c", "weights.c")]
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(path)] + files + ["-ldl", "-lpthread"], check=True)
        library = ctypes.CDLL(str(path))
    pointer, number = ctypes.c_void_p, ctypes.c_uint32
    for name, result, *arguments in (
            ("pool_create", pointer, number), ("model_open", pointer, *[ctypes.c_char_p] * 3),
            ("model_inputs", number, pointer),
            ("model_outputs", number, pointer), ("model_input", ctypes.POINTER(Argument), pointer, number),
            ("model_output", ctypes.POINTER(Argument), pointer, number), ("call_open", pointer, *[pointer] * 4),
            ("call_run", ctypes.c_int, pointer), ("call_result", None, pointer, number, pointer),
            ("call_explain", ctypes.c_int, pointer, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)):
        function = getattr(library, "dsrt_" + name)
        function.restype, function.argtypes = result, arguments
    return library


class Dsc:
    """A library made by `dsc compile --emit=so`."""
    library = None

    def __init__(self, path, samples, threads=1, prefix="model"):
        Dsc.library = Dsc.library or runtime_library()
        self.path, r = Path(path), Dsc.library
        weights = self.path.with_suffix(".weights")
        weights = str(weights).encode() if weights.exists() else None
        model = r.dsrt_model_open(str(self.path.resolve()).encode(), prefix.encode(), weights)
        if not model:
            raise SystemExit("%s: no model with prefix '%s'" % (path, prefix))
        self.inputs = [r.dsrt_model_input(model, i).contents for i in range(r.dsrt_model_inputs(model))]
        self.outputs = [r.dsrt_model_output(model, i).contents for i in range(r.dsrt_model_outputs(model))]
        self.names = [o.name.decode() for o in self.outputs]
        self.given = {a.name.decode(): np.array(samples[a.name.decode()][0], order="C") for a in self.inputs}
        tensors = (Tensor * len(self.inputs))()
        for tensor, array in zip(tensors, self.given.values()):
            tensor.data, tensor.bytes, tensor.dims[:array.ndim] = array.ctypes.data, array.nbytes, array.shape
        self.tensors = tensors
        self.call = r.dsrt_call_open(model, r.dsrt_pool_create(threads) if threads > 1 else None, tensors, None)
        if not self.call:
            raise SystemExit("%s: no call" % path)

    def set(self, sample):
        for name, array in self.given.items():
            array[...] = sample[name]

    def run(self):
        status = Dsc.library.dsrt_call_run(self.call)
        if status:
            text = ctypes.create_string_buffer(500)
            Dsc.library.dsrt_call_explain(self.call, status, text, 500)
            raise SystemExit("%s: %s" % (self.path, text.value.decode()))

    def results(self):
        found, tensor = [], Tensor()
        for i, output in enumerate(self.outputs):
            Dsc.library.dsrt_call_result(self.call, i, ctypes.byref(tensor))
            kind, shape = np.dtype(TYPES[output.elem.decode()]), tuple(tensor.dims[:output.rank])
            data = ctypes.string_at(tensor.data, int(np.prod(shape)) * kind.itemsize)
            found.append(np.frombuffer(data, kind).reshape(shape))
        return found


class OnnxRuntime:
    def __init__(self, path, samples, threads=1):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        self.path = Path(path)
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.names, self.inputs = ([v.name for v in f()] for f in (self.session.get_outputs, self.session.get_inputs))
        self.binding = self.session.io_binding()
        self.set({n: samples[n][0] for n in self.inputs})

    def set(self, sample):
        self.binding.clear_binding_outputs()
        for name in self.inputs:
            self.binding.bind_cpu_input(name, np.ascontiguousarray(sample[name]))
        for name in self.names:
            self.binding.bind_output(name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def results(self):
        return self.binding.copy_outputs_to_cpu()


def open_engine(path, model, samples, threads, prefix="model"):
    """'ort' is ONNX Runtime on the model; others are files, by their suffix."""
    if path == "ort" or str(path).endswith(".onnx"):
        return OnnxRuntime(model if path == "ort" else path, samples, threads)
    return Dsc(path, samples, threads, prefix)


def fixed_dims(dsc, model, samples):
    """Options of `dsc compile` that fix the model's symbols at the samples' extents."""
    text, options = subprocess.run([dsc, "info", str(model)], capture_output=True, text=True, check=True).stdout, {}
    for name, dims in re.findall(r"^input \d+: '(.*?)' tensor<.*dims = \[(.*)\]", text, re.M):
        for symbol, extent in zip(re.findall(r'"(.*?)"', dims), samples[name].shape[1:]):
            if symbol:
                options[symbol] = extent
    return ["--dim=%s=%d" % item for item in options.items()]
