// A GRU that reads a sequence both ways, from a state that is given; all states, and the last ones.
!input = tensor<?x?x5xf32, {dims = ["seq", "batch"]}>
!states = tensor<?x2x?x7xf32, {dims = ["seq", "", "batch"]}>
!state = tensor<2x?x7xf32, {dims = ["", "batch"]}>
module attributes {ds.weights = "gru.safetensors"} {
  func.func @main(%input: !input, %start: !state) -> (!states, !state) {
    %w = "onnx.Constant"() {value = dense_resource<gru.w> : tensor<2x21x5xf32>} : () -> tensor<2x21x5xf32>
    %r = "onnx.Constant"() {value = dense_resource<gru.r> : tensor<2x21x7xf32>} : () -> tensor<2x21x7xf32>
    %b = "onnx.Constant"() {value = dense_resource<gru.b> : tensor<2x42xf32>} : () -> tensor<2x42xf32>
    %no_lengths = "onnx.None"() : () -> none
    %states, %last = "onnx.GRU"(%input, %w, %r, %b, %no_lengths, %start) {direction = "bidirectional", hidden_size = 7}
        : (!input, tensor<2x21x5xf32>, tensor<2x21x7xf32>, tensor<2x42xf32>, none, !state) -> (!states, !state)
    func.return %states, %last : !states, !state
  }
}
