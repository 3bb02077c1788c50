// Two convolutions, a pool between them, and a classifier; images of any number.
!images = tensor<?x3x16x16xf32, {dims = ["batch"]}>
!scores = tensor<?x10xf32, {dims = ["batch"]}>
!f32 = tensor<*xf32>
module attributes {ds.weights = "cnn.safetensors"} {
  func.func @main(%image: !images) -> !scores {
    %w1 = "onnx.Constant"() {value = {resource = "features/0:weight", type = tensor<8x3x3x3xf32>}} : () -> !f32
    %b1 = "onnx.Constant"() {value = {resource = "features/0:bias", type = !f32}} : () -> !f32
    %w2 = "onnx.Constant"() {value = {resource = "features/3:weight", type = !f32}} : () -> !f32
    %b2 = "onnx.Constant"() {value = {resource = "features/3:bias", type = !f32}} : () -> !f32
    %w3 = "onnx.Constant"() {value = dense_resource<classifier.weight> : tensor<10x256xf32>} : () -> !f32
    %b3 = "onnx.Constant"() {value = dense_resource<classifier.bias> : !f32} : () -> !f32
    %c1 = "onnx.Conv"(%image, %w1, %b1) {pads = [1, 1, 1, 1]} : (!images, !f32, !f32) -> tensor<?x8x16x16xf32>
    %r1 = "onnx.Relu"(%c1) : (tensor<?x8x16x16xf32>) -> !f32
    %p1 = "onnx.MaxPool"(%r1) {kernel_shape = [2, 2], strides = [2, 2]} : (!f32) -> tensor<?x8x8x8xf32>
    %c2 = "onnx.Conv"(%p1, %w2, %b2) {pads = [1, 1, 1, 1], strides = [2, 2]} : (tensor<?x8x8x8xf32>, !f32, !f32) -> !f32
    %r2 = "onnx.Relu"(%c2) : (!f32) -> !f32
    %flat = "onnx.Flatten"(%r2) : (!f32) -> tensor<?x256xf32>
    %scores = "onnx.Gemm"(%flat, %w3, %b3) {transB = 1} : (tensor<?x256xf32>, !f32, !f32) -> !scores
    func.return %scores : !scores
  }
}
