"""Random valid ONNX graphs: graph.py builds them, check.py compares them with ONNX Runtime; the other files hold the families of nodes."""
from fuzz_graphs import control, elementwise, images, linear, movement, quantised, reductions, select  # noqa: F401 (they register their families)
