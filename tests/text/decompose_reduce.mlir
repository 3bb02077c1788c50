// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
#b = {dims = ["b", "", ""]}

// A mean: a sum over the axis, then a division by its extent. Without kept dims, a view drops the extent of 1.
// CHECK-LABEL: @mean
// CHECK: %[[S:.*]] = "graph.reduce"(%arg0)
// CHECK: maps = [affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>], over = ["3"]
// CHECK: %[[M:.*]] = "graph.map"(%[[S]])
// CHECK: "loop.apply"() {map = affine_map<() -> (3)>}
// CHECK: "loop.div"
// CHECK: "graph.reshape"(%[[M]]) : {{.*}} -> tensor<?x4xf32, {dims = ["b", ""]}>
func.func @mean(%x: tensor<?x3x4xf32, #b>) -> tensor<?x4xf32, {dims = ["b", ""]}> {
  %axes = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceMean"(%x, %axes) {keepdims = 0} : (tensor<?x3x4xf32, #b>, none) -> none
  func.return %0 : none
}

// What is done to the elements first is in the reduction, what is done to the result is a map behind it: sqrt(sum of x * x).
// CHECK-LABEL: @norm
// CHECK: "graph.reduce"(%arg0)
// CHECK: "loop.mul"(%[[X:.*]], %[[X]])
// CHECK: "loop.add"
// CHECK: over = ["3", "4"]
// CHECK: "loop.sqrt"
func.func @norm(%x: tensor<3x4xf32>) -> tensor<1x1xf32> {
  %0 = "onnx.ReduceL2"(%x) : (tensor<3x4xf32>) -> none
  func.return %0 : none
}

// log of a sum of exps: less the largest element, unless that is infinite.
// CHECK-LABEL: @log_sum_exp
// CHECK: "graph.reduce"(%arg0)
// CHECK: "loop.max"
// CHECK: %[[MAX:.*]] = "graph.map"
// CHECK: "loop.select"
// CHECK: %[[SUM:.*]] = "graph.reduce"(%arg0, %[[MAX]])
// CHECK: "loop.sub"
// CHECK: "loop.exp"
// CHECK: "loop.add"
// CHECK: "graph.map"(%[[SUM]], %[[MAX]])
// CHECK: "loop.log"
// CHECK: "loop.add"
func.func @log_sum_exp(%x: tensor<3x4xf32>) -> tensor<3x1xf32> {
  %axes = "onnx.Constant"() {value = dense<[-1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceLogSumExp"(%x, %axes) : (tensor<3x4xf32>, none) -> none
  func.return %0 : none
}

// The place of the largest: the least position of what equals it, or is NaN.
// CHECK-LABEL: @arg_max
// CHECK: %[[MAX:.*]] = "graph.reduce"(%arg0)
// CHECK: "graph.reduce"(%arg0, %[[MAX]])
// CHECK: "loop.position"() {dim = 2}
// CHECK: "loop.eq"
// CHECK: "loop.ne"
// CHECK: "loop.select"
// CHECK: "loop.min"({{.*}}) : (i64, i64) -> i64
func.func @arg_max(%x: tensor<3x4xf32>) -> tensor<3xi64> {
  %0 = "onnx.ArgMax"(%x) {axis = 1, keepdims = 0} : (tensor<3x4xf32>) -> none
  func.return %0 : none
}

// Softmax is three passes over a row; it is divided once, and every element is multiplied.
// CHECK-LABEL: @softmax
// CHECK: %[[MAX:.*]] = "graph.reduce"(%arg0)
// CHECK: %[[E:.*]] = "graph.map"(%arg0, %[[MAX]])
// CHECK: "loop.decay"
// CHECK: %[[SUM:.*]] = "graph.reduce"(%[[E]])
// CHECK: %[[INV:.*]] = "graph.map"(%[[SUM]])
// CHECK: "loop.div"
// CHECK: -> tensor<3x1xf32>
// CHECK: "graph.map"(%[[E]], %[[INV]])
// CHECK: "loop.mul"
func.func @softmax(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %0 = "onnx.Softmax"(%x) : (tensor<3x4xf32>) -> none
  func.return %0 : none
}

// The sum along an axis up to each element: a reduction whose region asks for the position. In reverse, from there on.
// CHECK-LABEL: @sums_up_to
// CHECK: %[[K:.*]] = "loop.position"() {dim = 2}
// CHECK: %[[AT:.*]] = "loop.apply"({{.*}}) {map = affine_map<(d0, d1) -> (d1)>}
// CHECK: %[[IN:.*]] = "loop.le"(%[[AT]], %[[K]])
// CHECK: "loop.select"(%[[IN]],
// CHECK: over = ["4"]{{.*}} -> tensor<3x4xf32>
func.func @sums_up_to(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %axis = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> none
  %0 = "onnx.CumSum"(%x, %axis) {reverse = 1} : (tensor<3x4xf32>, none) -> none
  func.return %0 : none
}
