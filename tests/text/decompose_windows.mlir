// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// A convolution sums over channels and the window. Strides and pads are in the input's map; `padding` says that it reads zeros outside.
// The bias is a map behind it.
// CHECK-LABEL: @conv
// CHECK: %[[C:.*]] = "graph.conv"(%arg0, %arg1) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 * 2 + d5 - 1, d3 * 2 + d6 - 1)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["4", "3", "3"], kinds = ["m", "n", "m", "m", "k", "window", "window"], padding = ["1", "1", "1", "1"]}
// CHECK: "graph.map"(%[[C]], %arg2)
// CHECK: "loop.add"
// CHECK: affine_map<(d0, d1, d2, d3) -> (d1)>
func.func @conv(%x: tensor<1x4x9x9xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<6xf32>) -> tensor<1x6x5x5xf32> {
  %0 = "onnx.Conv"(%x, %w, %b) {pads = [1, 1, 1, 1], strides = [2, 2]} : (tensor<1x4x9x9xf32>, tensor<6x4x3x3xf32>, tensor<6xf32>) -> none
  func.return %0 : none
}

// A dilation is a coefficient of the window's dim.
// CHECK-LABEL: @dilated
// CHECK: "graph.conv"{{.*}}affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d2 + d4 * 2)>
// CHECK-NOT: padding
func.func @dilated(%x: tensor<1x4x9xf32>, %w: tensor<6x4x3xf32>) -> tensor<1x6x5xf32> {
  %0 = "onnx.Conv"(%x, %w) {dilations = [2]} : (tensor<1x4x9xf32>, tensor<6x4x3xf32>) -> none
  func.return %0 : none
}

// SAME_UPPER: where the pads do not divide by 2, the one at the end is larger.
// CHECK-LABEL: @same_upper
// CHECK: "graph.conv"{{.*}} padding = ["0", "1"]
func.func @same_upper(%x: tensor<1x1x6xf32>, %w: tensor<1x1x3xf32>) -> tensor<1x1x3xf32> {
  %0 = "onnx.Conv"(%x, %w) {auto_pad = "SAME_UPPER", strides = [2]} : (tensor<1x1x6xf32>, tensor<1x1x3xf32>) -> none
  func.return %0 : none
}

// Groups: three results each read two of the channels, by the quotient of the result's channel.
// CHECK-LABEL: @groups
// CHECK: "graph.conv"{{.*}}affine_map<(d0, d1, d2, d3, d4) -> (d0, d3 + (d1 floordiv 3) * 2, d2 + d4)>{{.*}} over = ["2", "3"]
func.func @groups(%x: tensor<1x4x9xf32>, %w: tensor<6x2x3xf32>) -> tensor<1x6x7xf32> {
  %0 = "onnx.Conv"(%x, %w) {group = 2} : (tensor<1x4x9xf32>, tensor<6x2x3xf32>) -> none
  func.return %0 : none
}

// Depthwise: a result's channel reads that channel.
// CHECK-LABEL: @depthwise
// CHECK: "graph.conv"{{.*}}maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2 + d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d1, 0, d4)>], over = ["1", "3"]
func.func @depthwise(%x: tensor<1x4x9xf32>, %w: tensor<4x1x3xf32>) -> tensor<1x4x7xf32> {
  %0 = "onnx.Conv"(%x, %w) {group = 4} : (tensor<1x4x9xf32>, tensor<4x1x3xf32>) -> none
  func.return %0 : none
}

// A transposed convolution of stride 2 is two ordinary ones, with the even and the odd weights turned around; a map takes their results
// in turns.
// CHECK-LABEL: @transposed
// CHECK: affine_map<(d0, d1, d2) -> (d1, d0, -d2 * 2 + 2)>]} : (tensor<4x9x3xf32>) -> tensor<9x4x2xf32>
// CHECK: %[[EVEN:.*]] = "graph.conv"{{.*}} over = ["4", "2"]
// CHECK: affine_map<(d0, d1, d2) -> (d1, d0, -d2 * 2 + 1)>]} : (tensor<4x9x3xf32>) -> tensor<9x4x1xf32>
// CHECK: %[[ODD:.*]] = "graph.conv"{{.*}} over = ["4", "1"]
// CHECK: "graph.concat"(%[[EVEN]], %[[ODD]]) {axis = 1}
// CHECK: maps = [affine_map<(d0, d1, d2) -> (d0, d1 + (d2 mod 2) * 9, (d2 floordiv 2))>]
func.func @transposed(%x: tensor<1x4x5xf32>, %w: tensor<4x9x3xf32>) -> tensor<1x9x11xf32> {
  %0 = "onnx.ConvTranspose"(%x, %w) {strides = [2]} : (tensor<1x4x5xf32>, tensor<4x9x3xf32>) -> none
  func.return %0 : none
}

// Phases of so few channels that all fit a vector are channels of one convolution, taps of zero making them even.
// CHECK-LABEL: @few_channels
// CHECK: pads = [0{{.*}}(tensor<4x2x3xf32>) -> tensor<4x2x4xf32>
// CHECK: "graph.conv"{{.*}} over = ["4", "2"]{{.*}} -> tensor<1x4x6xf32>
// CHECK-NOT: graph.concat
func.func @few_channels(%x: tensor<1x4x5xf32>, %w: tensor<4x2x3xf32>) -> tensor<1x2x11xf32> {
  %0 = "onnx.ConvTranspose"(%x, %w) {strides = [2]} : (tensor<1x4x5xf32>, tensor<4x2x3xf32>) -> none
  func.return %0 : none
}

// A pool is a reduction over its window; outside lies what no maximum takes.
// CHECK-LABEL: @max_pool
// CHECK: "graph.reduce"(%arg0)
// CHECK: "loop.max"
// CHECK: maps = [affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4 - 1, d3 * 2 + d5 - 1)>], over = ["3", "3"], pads = [0xFFF0000000000000 : f64], init = [0xFFF0000000000000 : f64]
func.func @max_pool(%x: tensor<1x4x9x9xf32>) -> tensor<1x4x5x5xf32> {
  %0 = "onnx.MaxPool"(%x) {kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]} : (tensor<1x4x9x9xf32>) -> none
  func.return %0 : none
}

// An average over windows that reach outside: the sum is divided by how much of its window each result has.
// CHECK-LABEL: @average_pool
// CHECK: %[[S:.*]] = "graph.reduce"(%arg0)
// CHECK: "loop.add"
// CHECK: pads = [0.00000e+00 : f64]
// CHECK: "graph.map"(%[[S]])
// CHECK: "loop.apply"({{.*}}) {map = affine_map<(d0, d1, d2) -> (d2 * 2 - 1)>}
// CHECK: %[[N:.*]] = "loop.cast"({{.*}}) : (index) -> f32
// CHECK: "loop.div"({{.*}}, %[[N]])
func.func @average_pool(%x: tensor<1x4x9xf32>) -> tensor<1x4x5xf32> {
  %0 = "onnx.AveragePool"(%x) {kernel_shape = [3], strides = [2], pads = [1, 1]} : (tensor<1x4x9xf32>) -> none
  func.return %0 : none
}

// A global one keeps extents of 1.
// CHECK-LABEL: @global_pool
// CHECK: over = ["9", "9"], {{.*}} -> tensor<1x4x1x1xf32>
// CHECK: "loop.apply"() {map = affine_map<() -> (81)>}
// CHECK: "loop.div"
func.func @global_pool(%x: tensor<1x4x9x9xf32>) -> tensor<1x4x1x1xf32> {
  %0 = "onnx.GlobalAveragePool"(%x) : (tensor<1x4x9x9xf32>) -> none
  func.return %0 : none
}
