// Caches that grow between other dims, compiled with --alias=past*=present*: memory has room for more rows behind those of each head.
!keys = tensor<2x?x4xf32, {dims = ["", "past", ""]}>
!values = tensor<?x2x3x?xf32, {dims = ["batch", "", "", "past"]}>
!new = tensor<?x2x3x?xf32, {dims = ["batch", "", "", "seq"]}>
!rows = tensor<2x?x4xf32, {dims = ["", "seq", ""]}>
func.func @main(%past_k: !keys {ds.name = "past_k"}, %past_v: !values {ds.name = "past_v"}, %k: !rows {ds.name = "k"}, %v: !new {ds.name = "v"}) -> (none {ds.name = "present_k"}, none {ds.name = "present_v"}, none {ds.name = "sum"}) {
  %present_k = "onnx.Concat"(%past_k, %k) {axis = 1} : (!keys, !rows) -> none
  %present_v = "onnx.Concat"(%past_v, %v) {axis = 3} : (!values, !new) -> none
  %a = "onnx.ReduceSum"(%present_k) {keepdims = 0} : (none) -> none
  %b = "onnx.ReduceSum"(%present_v) {keepdims = 0} : (none) -> none
  %sum = "onnx.Add"(%a, %b) : (none, none) -> none
  return %present_k, %present_v, %sum : none, none, none
}
