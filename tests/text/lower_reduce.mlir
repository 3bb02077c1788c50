// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Reductions as loops: what lanes walk.
// -----
// Along the summed dim where that is the innermost one: a vector of maxima, what is left over under a mask, then the lanes are combined.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.load"(%arg0, {{.*}}) {map = affine_map<(d0, d1) -> (d0 * 20 + d1)>} : {{.*}} -> vector<8xf32>
// CHECK: "loop.max"({{.*}}) : (vector<8xf32>, vector<8xf32>)
// CHECK: "loop.for"
// CHECK: %[[M:.*]] = "loop.lt"
// CHECK: masked
// CHECK: "loop.select"(%[[M]],
// CHECK: %[[F:.*]] = "loop.fold_lanes"
// CHECK: "loop.max"({{.*}}) : (f32, f32)
// CHECK: "loop.store"(%[[F]], %arg1,
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4x20xf32>) -> tensor<4xf32> {
  %a = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceMax"(%x, %a) {keepdims = 0} : (tensor<4x20xf32>, none) -> none
  func.return %0 : none
}
// -----
// Along the result where that is: eight maxima at a time go down the columns, and no lanes are combined.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.for"
// CHECK: %[[R:.*]] = "loop.for"
// CHECK: "loop.load"(%arg0, {{.*}}) {map = affine_map<(d0, d1) -> (d0 + d1 * 16)>} : {{.*}} -> vector<8xf32>
// CHECK: "loop.max"
// CHECK-NOT: "loop.fold_lanes"
// CHECK: "loop.store"(%[[R]], %arg1,
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<20x16xf32>) -> tensor<16xf32> {
  %a = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceMax"(%x, %a) {keepdims = 0} : (tensor<20x16xf32>, none) -> none
  func.return %0 : none
}
// -----
// A sum of everything: summed dims are one, and four accumulators hide the latency of an addition. They are added in a fixed order.
// CHECK-LABEL: func.func @k0
// CHECK: %[[A:[0-9]+]], %[[B:[0-9]+]], %[[C:[0-9]+]], %[[D:[0-9]+]] = "loop.for"
// CHECK-COUNT-4: "loop.add"({{.*}}) : (vector<8xf32>, vector<8xf32>)
// CHECK: "loop.yield"
// CHECK: %[[E:.*]] = "loop.add"(%[[A]], %[[C]])
// CHECK: %[[F:.*]] = "loop.add"(%[[B]], %[[D]])
// CHECK: "loop.add"(%[[E]], %[[F]])
// CHECK: "loop.fold_lanes"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<16x16xf32>) -> tensor<f32> {
  %0 = "onnx.ReduceSum"(%x) {keepdims = 0} : (tensor<16x16xf32>) -> none
  func.return %0 : none
}
// -----
// Softmax shares the loop over rows: what flows between its ops lies in memory of the lane, of one row.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: scratch = [
// CHECK: "loop.parallel"
// CHECK: "loop.for"
// CHECK: "loop.greater"
// CHECK: "loop.decay"
// CHECK: "loop.div"
// CHECK: "loop.mul"
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"({{.*}} kernel = @k0
// CHECK-NOT: "plan.call"
func.func @main(%x: tensor<64x100xf32>) -> tensor<64x100xf32> {
  %0 = "onnx.Softmax"(%x) : (tensor<64x100xf32>) -> none
  func.return %0 : none
}
