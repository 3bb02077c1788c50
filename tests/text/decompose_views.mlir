// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// A transpose is an access map.
// CHECK-LABEL: @transpose
// CHECK: maps = [affine_map<(d0, d1, d2) -> (d2, d0, d1)>]} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
func.func @transpose(%x: tensor<2x3x4xf32>) -> tensor<3x4x2xf32> {
  %0 = "onnx.Transpose"(%x) {perm = [1, 2, 0]} : (tensor<2x3x4xf32>) -> none
  func.return %0 : none
}

// So is a slice, with a step that goes backwards, too.
// CHECK-LABEL: @slice
// CHECK: maps = [affine_map<(d0, d1) -> (d0 + 1, -d1 * 2 + 5)>]} : (tensor<4x6xf32>) -> tensor<2x3xf32>
func.func @slice(%x: tensor<4x6xf32>) -> tensor<2x3xf32> {
  %from = "onnx.Constant"() {value = dense<[1, -1]> : tensor<2xi64>} : () -> none
  %to = "onnx.Constant"() {value = dense<[3, -7]> : tensor<2xi64>} : () -> none
  %axes = "onnx.Constant"() {value = dense<[0, 1]> : tensor<2xi64>} : () -> none
  %steps = "onnx.Constant"() {value = dense<[1, -2]> : tensor<2xi64>} : () -> none
  %0 = "onnx.Slice"(%x, %from, %to, %axes, %steps) : (tensor<4x6xf32>, none, none, none, none) -> none
  func.return %0 : none
}

// Of an extent that is a symbol, ends stay within it whatever it is.
// CHECK-LABEL: @slice_symbol
// CHECK: maps = [affine_map<(d0) -> (d0)>]
// CHECK-SAME: dims = ["min(3, n)"]
func.func @slice_symbol(%x: tensor<?xf32, {dims = ["n"]}>) -> tensor<?xf32, {dims = ["min(3, n)"]}> {
  %from = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %to = "onnx.Constant"() {value = dense<[3]> : tensor<1xi64>} : () -> none
  %0 = "onnx.Slice"(%x, %from, %to) : (tensor<?xf32, {dims = ["n"]}>, none, none) -> none
  func.return %0 : none
}

// A pad reads outside, where there is a constant.
// CHECK-LABEL: @pad
// CHECK: maps = [affine_map<(d0) -> (d0 - 1)>], pads = [7.00000e+00 : f64]} : (tensor<4xf32>) -> tensor<7xf32>
func.func @pad(%x: tensor<4xf32>) -> tensor<7xf32> {
  %pads = "onnx.Constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> none
  %v = "onnx.Constant"() {value = dense<7.0> : tensor<f32>} : () -> none
  %0 = "onnx.Pad"(%x, %pads, %v) : (tensor<4xf32>, none, none) -> none
  func.return %0 : none
}

// In another mode it reads at computed positions: here the nearest one within.
// CHECK-LABEL: @pad_edge
// CHECK: %[[D:.*]] = "loop.sub"
// CHECK: %[[LOW:.*]] = "loop.min"(%[[D]],
// CHECK: %[[AT:.*]] = "loop.max"({{.*}}, %[[LOW]])
// CHECK: "graph.extract"(%arg0, %[[AT]])
// CHECK-NOT: pads =
func.func @pad_edge(%x: tensor<4xf32>) -> tensor<7xf32> {
  %pads = "onnx.Constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> none
  %0 = "onnx.Pad"(%x, %pads) {mode = "edge"} : (tensor<4xf32>, none) -> none
  func.return %0 : none
}

// Extents along the axis are added, symbols or not.
// CHECK-LABEL: @concat
// CHECK: "graph.concat"(%arg0, %arg1) {axis = 1} : (tensor<2x3xf32>, tensor<2x?xf32, {dims = ["", "n"]}>) -> tensor<2x?xf32, {dims = ["", "n + 3"]}>
func.func @concat(%x: tensor<2x3xf32>, %y: tensor<2x?xf32, {dims = ["", "n"]}>) -> tensor<2x?xf32, {dims = ["", "n + 3"]}> {
  %0 = "onnx.Concat"(%x, %y) {axis = -1} : (tensor<2x3xf32>, tensor<2x?xf32, {dims = ["", "n"]}>) -> none
  func.return %0 : none
}

// Parts are slices.
// CHECK-LABEL: @split
// CHECK: maps = [affine_map<(d0) -> (d0)>]} : (tensor<5xf32>) -> tensor<2xf32>
// CHECK: maps = [affine_map<(d0) -> (d0 + 2)>]} : (tensor<5xf32>) -> tensor<3xf32>
func.func @split(%x: tensor<5xf32>) -> (tensor<2xf32>, tensor<3xf32>) {
  %sizes = "onnx.Constant"() {value = dense<[2, 3]> : tensor<2xi64>} : () -> none
  %0, %1 = "onnx.Split"(%x, %sizes) : (tensor<5xf32>, none) -> (none, none)
  func.return %0, %1 : none, none
}

// Channels become blocks of an image: a transpose between two views.
// CHECK-LABEL: @depth_to_space
// CHECK: "graph.reshape"(%arg0) : {{.*}} -> tensor<1x2x2x2x2x2xf32>
// CHECK: maps = [affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d3, d5, d1, d2, d4)>]
// CHECK: "graph.reshape"{{.*}} -> tensor<1x2x4x4xf32>
func.func @depth_to_space(%x: tensor<1x8x2x2xf32>) -> tensor<1x2x4x4xf32> {
  %0 = "onnx.DepthToSpace"(%x) {blocksize = 2} : (tensor<1x8x2x2xf32>) -> none
  func.return %0 : none
}

// A tile repeats by a remainder, Expand reads an extent of 1 at 0.
// CHECK-LABEL: @tile_expand
// CHECK: affine_map<(d0) -> ((d0 mod 3))>]} : (tensor<3xf32>) -> tensor<6xf32>
// CHECK: affine_map<(d0, d1) -> (d0, 0)>]} : (tensor<2x1xf32>) -> tensor<2x4xf32>
func.func @tile_expand(%x: tensor<3xf32>, %y: tensor<2x1xf32>) -> (tensor<6xf32>, tensor<2x4xf32>) {
  %r = "onnx.Constant"() {value = dense<[2]> : tensor<1xi64>} : () -> none
  %s = "onnx.Constant"() {value = dense<[1, 4]> : tensor<2xi64>} : () -> none
  %0 = "onnx.Tile"(%x, %r) : (tensor<3xf32>, none) -> none
  %1 = "onnx.Expand"(%y, %s) : (tensor<2x1xf32>, none) -> none
  func.return %0, %1 : none, none
}

// Squeeze, Unsqueeze, Flatten and Reshape move nothing: they are views.
// CHECK-LABEL: @views
// CHECK: "graph.reshape"(%arg0) : {{.*}} -> tensor<6x4xf32>
// CHECK-NOT: "graph.map"
// CHECK: "graph.reshape"{{.*}} -> tensor<24xf32>
func.func @views(%x: tensor<2x3x1x4xf32>) -> tensor<24xf32> {
  %shape = "onnx.Constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.Flatten"(%x) {axis = 2} : (tensor<2x3x1x4xf32>) -> none
  %1 = "onnx.Reshape"(%0, %shape) : (none, none) -> none
  func.return %1 : none
}
