// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Convolutions as tiles, windows and strips.
// -----
// A 1x1 convolution is a product of pixels and channels; its image is brought into channels-last order before, and back behind it. The
// bias is added to the tiles.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.transpose"
// CHECK-LABEL: func.func @k1
// CHECK: "loop.tile"(%arg0, %arg1, {{.*}} window = ["16"], lhs = ["1"], rhs = ["16"]
// CHECK: "loop.load"(%arg2,
// CHECK-NEXT: "loop.add"
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"({{.*}} kernel = @k0
// CHECK: "plan.call"({{.*}}{what = "conv {{.*}} + map"{{.*}} kernel = @k1
// CHECK: "plan.call"
// CHECK-NOT: "plan.call"
// CHECK: func.return
func.func @main(%x: tensor<1x16x10x10xf32>) -> tensor<1x32x10x10xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x16x1x1xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<32xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w, %b) : (tensor<1x16x10x10xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// With a window the tile's sums go over that, too: three rows of it, in each of which three pixels of 16 channels follow each other.
// CHECK-LABEL: func.func @k1
// CHECK: "loop.tile"(%arg0, %arg1, {{.*}} window = ["3", "48"], lhs = ["160", "1"]
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x16x10x10xf32>) -> tensor<1x32x4x4xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x16x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {strides = [2, 2]} : (tensor<1x16x10x10xf32>, none) -> none
  func.return %0 : none
}
// -----
// Depthwise: lanes walk the channels, twelve results are in registers, and the three weights of a window's row as well. An element of the
// input is loaded once for all results that need it: the first for one, the third on for three.
// CHECK-LABEL: func.func @k1
// CHECK-COUNT-3: "loop.load"(%arg1,
// CHECK: %[[A:.*]] = "loop.load"(%arg0,
// CHECK-NEXT: "loop.fma"(%[[A]],
// CHECK: %[[B:.*]] = "loop.load"(%arg0,
// CHECK-NEXT: "loop.fma"(%[[B]],
// CHECK-NEXT: "loop.fma"(%[[B]],
// CHECK: %[[C:.*]] = "loop.load"(%arg0,
// CHECK-NEXT: "loop.fma"(%[[C]],
// CHECK-NEXT: "loop.fma"(%[[C]],
// CHECK-NEXT: "loop.fma"(%[[C]],
// CHECK-NOT: "loop.tile"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<1x16x10x10xf32>) -> tensor<1x16x10x10xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 16, pads = [1, 1, 1, 1]} : (tensor<1x16x10x10xf32>, none) -> none
  func.return %0 : none
}
// -----
// By tiles of Winograd's algorithm, three steps alternate in the lane's own memory: transforms, products of panels, transforms.
// CHECK-LABEL: func.func @k1
// CHECK-SAME: %[[V:arg3]]: memref<?xf32>, %[[M:arg4]]: memref<?xf32>) attributes {scratch = ["{{[0-9]+}}", "{{[0-9]+}}"]
// CHECK: "loop.store"({{.*}}, %[[V]],
// CHECK: %[[P:[0-9]+]], {{.*}} = "loop.tile"(%[[V]], %arg1, {{.*}} window = ["32"]
// CHECK: "loop.store"(%[[P]], %[[M]],
// CHECK: "loop.load"(%[[M]],
// CHECK: "loop.store"({{.*}}, %arg2,
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"({{.*}}{what = "winograd F(4)
func.func @main(%x: tensor<1x32x32x32xf32>) -> tensor<1x32x32x32xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x32x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x32x32x32xf32>, none) -> none
  func.return %0 : none
}
// -----
// A pool: lanes walk the channels. Where windows reach outside, only tiles at the edges look after their columns.
// CHECK-LABEL: func.func @k1
// CHECK: "loop.load"(%arg0, {{.*}} -> vector<8xf32>
// CHECK: "loop.max"({{.*}}) : (vector<8xf32>, vector<8xf32>)
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"({{.*}}{what = "reduce {{[0-9x]+}} channels-last over 3x3"
func.func @main(%x: tensor<1x16x10x10xf32>) -> tensor<1x16x10x10xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x16x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x16x10x10xf32>, none) -> none
  %1 = "onnx.MaxPool"(%0) {kernel_shape = [3, 3], pads = [1, 1, 1, 1]} : (none) -> none
  func.return %1 : none
}
