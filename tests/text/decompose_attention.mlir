// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// Two products with a softmax between them, the queries scaled first; heads are dims of the maps.
// CHECK-LABEL: @attention
// CHECK: %[[Q:.*]] = "graph.map"(%arg0)
// CHECK: "loop.div"
// CHECK: "graph.matmul"({{.*}}, %arg1) {{.*}} over = ["8"]
// CHECK: "graph.reduce"
// CHECK: "loop.greater"
// CHECK: "loop.decay"
// CHECK: "graph.reduce"
// CHECK: "loop.add"
// CHECK: "graph.matmul"({{.*}}, %arg2) {{.*}} over = ["7"]
func.func @attention(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x7x8xf32>, %v: tensor<1x2x7x4xf32>) -> tensor<1x2x5x4xf32> {
  %0 = "onnx.Attention"(%q, %k, %v) : (tensor<1x2x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x4xf32>) -> none
  func.return %0 : none
}

// A causal one compares positions where scores are made.
// CHECK-LABEL: @causal
// CHECK: "graph.matmul"
// CHECK: "loop.position"() {dim = 3}
// CHECK: "loop.position"() {dim = 4}
// CHECK: "loop.select"
// CHECK: "graph.reduce"
func.func @causal(%q: tensor<1x2x5x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  %0 = "onnx.Attention"(%q, %k, %v) {is_causal = 1} : (tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x4xf32>) -> none
  func.return %0 : none
}

// A cache of keys: the past ones and the new ones are concatenated, and given back.
// CHECK-LABEL: @cache
// CHECK: %[[K:.*]] = "graph.concat"(%arg3, %arg1) {axis = 2} : {{.*}} -> tensor<1x2x?x8xf32, {dims = ["", "", "past + 1", ""]}>
// CHECK: %[[V:.*]] = "graph.concat"(%arg4, %arg2) {axis = 2}
// CHECK: func.return %{{.*}}, %[[K]], %[[V]]
func.func @cache(%q: tensor<1x2x1x8xf32>, %k: tensor<1x2x1x8xf32>, %v: tensor<1x2x1x8xf32>, %pk: tensor<1x2x?x8xf32, {dims = ["", "", "past", ""]}>, %pv: tensor<1x2x?x8xf32, {dims = ["", "", "past", ""]}>)
    -> (tensor<1x2x1x8xf32>, tensor<1x2x?x8xf32, {dims = ["", "", "past + 1", ""]}>, tensor<1x2x?x8xf32, {dims = ["", "", "past + 1", ""]}>) {
  %n = "onnx.None"() : () -> none
  %0, %1, %2 = "onnx.Attention"(%q, %k, %v, %n, %pk, %pv) : (tensor<1x2x1x8xf32>, tensor<1x2x1x8xf32>, tensor<1x2x1x8xf32>, none, tensor<1x2x?x8xf32, {dims = ["", "", "past", ""]}>, tensor<1x2x?x8xf32, {dims = ["", "", "past", ""]}>) -> (none, none, none)
  func.return %0, %1, %2 : none, none, none
}
