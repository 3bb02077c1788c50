// RUN: dsc opt --passes=decompose,simplify,fuse,layout --verify-each %s | FileCheck %s

// How weights lie, by what multiplies them.

// An image that is multiplied by a number for each channel before a 1x1 convolution (squeeze and excite) is read as it is: the numbers
// multiply the weights, which are fewer, in their panels.
// CHECK-LABEL: @gate
// CHECK: %[[X:.*]] = "graph.encode"(%arg0)
// CHECK: %[[P:.*]] = "graph.reshape"({{.*}}) : {{.*}} -> tensor<2x1x1x64x16xf32>
// CHECK: %[[S:.*]] = "graph.map"(%[[P]], %arg1)
// CHECK: affine_map<(d0, d1, d2, d3, d4) -> (0, d3, 0, 0)>
// CHECK: %[[W:.*]] = "graph.reshape"(%[[S]])
// CHECK: "graph.conv"(%[[X]], %[[W]])
func.func @gate(%x: tensor<1x64x28x28xf32>, %g: tensor<1x64x1x1xf32>) -> tensor<1x32x28x28xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x64x1x1xf32>} : () -> none
  %m = "onnx.Mul"(%x, %g) : (tensor<1x64x28x28xf32>, tensor<1x64x1x1xf32>) -> none
  %0 = "onnx.Conv"(%m, %w) : (none, none) -> none
  func.return %0 : none
}

// Where the image is the smaller one, it is multiplied.
// CHECK-LABEL: @small_image
// CHECK: "graph.map"(%arg0, %arg1)
// CHECK: -> tensor<1x64x2x2xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
// CHECK: "graph.conv"
func.func @small_image(%x: tensor<1x64x2x2xf32>, %g: tensor<1x64x1x1xf32>) -> tensor<1x32x2x2xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x64x1x1xf32>} : () -> none
  %m = "onnx.Mul"(%x, %g) : (tensor<1x64x2x2xf32>, tensor<1x64x1x1xf32>) -> none
  %0 = "onnx.Conv"(%m, %w) : (none, none) -> none
  func.return %0 : none
}

// Groups of four channels would leave vectors mostly empty: four groups are computed as one, with zeros (reads outside) in between.
// CHECK-LABEL: @groups
// CHECK: maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0 * 16 + d1, d2 - (d1 floordiv 4) * 4, d3, d4)>], pads = [0.00000e+00 : f64]} : (tensor<64x4x1x1xf32>) -> tensor<4x16x16x1x1xf32>
// CHECK: "graph.conv"{{.*}}(d0, d4 + (d1 floordiv 16) * 16, d2 + d5, d3 + d6)>{{.*}} over = ["16", "1", "1"]
func.func @groups(%x: tensor<1x64x8x8xf32>) -> tensor<1x64x8x8xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x4x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 16} : (tensor<1x64x8x8xf32>, none) -> none
  func.return %0 : none
}

// A step of bytes takes four channels: two groups of six are computed as one, which has three steps.
// CHECK-LABEL: @groups_of_bytes
// CHECK: pads = [0]} : (tensor<24x6x1x1xi8>) -> tensor<2x12x12x1x1xi8>
// CHECK: "graph.conv"{{.*}}(d0, d4 + (d1 floordiv 12) * 12, d2 + d5, d3 + d6)>{{.*}} over = ["12", "1", "1"]
func.func @groups_of_bytes(%x: tensor<1x24x8x8xui8>) -> tensor<1x24x8x8xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<24x6x1x1xi8>} : () -> none
  %0 = "onnx.ConvInteger"(%x, %w) {group = 4} : (tensor<1x24x8x8xui8>, none) -> none
  func.return %0 : none
}

// Depthwise weights lie window by window, channels last, as lanes read them.
// CHECK-LABEL: @depthwise
// CHECK: "graph.encode"({{.*}}) {flush} : {{.*}} -> tensor<64x1x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1, d0)>}>
func.func @depthwise(%x: tensor<1x64x8x8xf32>) -> tensor<1x64x6x6xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 64} : (tensor<1x64x8x8xf32>, none) -> none
  func.return %0 : none
}

// Panels of weights, 16 columns wide; of a right-hand side that an input is, only where its columns do not follow each other in memory.
// CHECK-LABEL: @panels
// CHECK: "graph.encode"({{.*}}) {flush} : (tensor<8x32xf32>) -> tensor<8x32xf32, {map = affine_map<(d0, d1) -> ((d1 floordiv 16), d0, (d1 mod 16))>}>
// CHECK-NOT: "graph.encode"
// CHECK: "graph.matmul"({{.*}}, %arg1)
func.func @panels(%x: tensor<4x8xf32>, %y: tensor<32x8xf32>) -> tensor<4x8xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<8x32xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x8xf32>, none) -> none
  %1 = "onnx.MatMul"(%0, %y) : (none, tensor<32x8xf32>) -> none
  func.return %1 : none
}
