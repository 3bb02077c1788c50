// One block of a transformer: attention of 4 heads and a feed-forward layer, each normed before, over sequences of any length.
!tokens = tensor<?x?x64xf32, {dims = ["batch", "seq"]}>
!heads = tensor<?x4x?x16xf32, {dims = ["batch", "", "seq"]}>
!f32 = tensor<*xf32>
module attributes {ds.weights = "transformer.safetensors"} {
  func.func @main(%tokens: !tokens) -> (!tokens {ds.name = "block"}) {
    %g1 = "onnx.Constant"() {value = dense_resource<ln1.weight> : tensor<64xf32>} : () -> !f32
    %b1 = "onnx.Constant"() {value = dense_resource<ln1.bias> : tensor<64xf32>} : () -> !f32
    %g2 = "onnx.Constant"() {value = dense_resource<ln2.weight> : tensor<64xf32>} : () -> !f32
    %b2 = "onnx.Constant"() {value = dense_resource<ln2.bias> : tensor<64xf32>} : () -> !f32
    %wqkv = "onnx.Constant"() {value = dense_resource<attn.qkv> : tensor<64x192xf32>} : () -> !f32
    %wo = "onnx.Constant"() {value = dense_resource<attn.out> : tensor<64x64xf32>} : () -> !f32
    %w1 = "onnx.Constant"() {value = dense_resource<mlp.up> : tensor<64x256xf32>} : () -> !f32
    %w2 = "onnx.Constant"() {value = dense_resource<mlp.down> : tensor<256x64xf32>} : () -> !f32
    %scale = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
    %split = "onnx.Constant"() {value = dense<[0, 0, 4, 16]> : tensor<4xi64>} : () -> tensor<4xi64>
    %merge = "onnx.Constant"() {value = dense<[0, 0, 64]> : tensor<3xi64>} : () -> tensor<3xi64>

    %n1 = "onnx.LayerNormalization"(%tokens, %g1, %b1) {epsilon = 1.0e-5} : (!tokens, !f32, !f32) -> !f32
    %qkv = "onnx.MatMul"(%n1, %wqkv) : (!f32, !f32) -> !f32
    %part:3 = "onnx.Split"(%qkv) {axis = -1, num_outputs = 3} : (!f32) -> (!f32, !f32, !f32)
    %q0 = "onnx.Reshape"(%part#0, %split) : (!f32, tensor<4xi64>) -> !f32
    %k0 = "onnx.Reshape"(%part#1, %split) : (!f32, tensor<4xi64>) -> !f32
    %v0 = "onnx.Reshape"(%part#2, %split) : (!f32, tensor<4xi64>) -> !f32
    %q = "onnx.Transpose"(%q0) {perm = [0, 2, 1, 3]} : (!f32) -> !heads
    %k = "onnx.Transpose"(%k0) {perm = [0, 2, 3, 1]} : (!f32) -> !f32
    %v = "onnx.Transpose"(%v0) {perm = [0, 2, 1, 3]} : (!f32) -> !heads
    %qk = "onnx.MatMul"(%q, %k) : (!heads, !f32) -> !f32
    %scaled = "onnx.Mul"(%qk, %scale) : (!f32, tensor<f32>) -> !f32
    %weights = "onnx.Softmax"(%scaled) {axis = -1} : (!f32) -> tensor<?x4x?x?xf32, {dims = ["batch", "", "seq", "seq"]}>
    %context = "onnx.MatMul"(%weights, %v) : (tensor<?x4x?x?xf32, {dims = ["batch", "", "seq", "seq"]}>, !heads) -> !heads
    %rows = "onnx.Transpose"(%context) {perm = [0, 2, 1, 3]} : (!heads) -> !f32
    %merged = "onnx.Reshape"(%rows, %merge) : (!f32, tensor<3xi64>) -> !tokens
    %o = "onnx.MatMul"(%merged, %wo) : (!tokens, !f32) -> !f32
    %x = "onnx.Add"(%tokens, %o) : (!tokens, !f32) -> !tokens

    %n2 = "onnx.LayerNormalization"(%x, %g2, %b2) {epsilon = 1.0e-5} : (!tokens, !f32, !f32) -> !f32
    %up = "onnx.MatMul"(%n2, %w1) : (!f32, !f32) -> !f32
    %act = "onnx.Gelu"(%up) : (!f32) -> !f32
    %down = "onnx.MatMul"(%act, %w2) : (!f32, !f32) -> !f32
    %y = "onnx.Add"(%x, %down) : (!tokens, !f32) -> !tokens
    func.return %y : !tokens
  }
}
