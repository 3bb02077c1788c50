// A decoder's cache of 16 positions: a new key is written into it, then a query is compared with all of them.
func.func @main(%past: tensor<1x2x16x4xf32> {ds.name = "past"}, %key: tensor<1x2x1x4xf32> {ds.name = "key"},
                %at: tensor<1xi64> {ds.name = "at"}, %query: tensor<1x2x4x1xf32> {ds.name = "query"})
    -> (tensor<1x2x16x4xf32> {ds.name = "present"}, tensor<1x2x16x1xf32> {ds.name = "scores"}) {
  %present = "onnx.TensorScatter"(%past, %key, %at) {axis = -2} : (tensor<1x2x16x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi64>) -> tensor<1x2x16x4xf32>
  %scores = "onnx.MatMul"(%present, %query) : (tensor<1x2x16x4xf32>, tensor<1x2x4x1xf32>) -> tensor<1x2x16x1xf32>
  return %present, %scores : tensor<1x2x16x4xf32>, tensor<1x2x16x1xf32>
}
