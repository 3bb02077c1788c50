// RUN: dsc opt --passes=group,schedule,lower %s | FileCheck %s

// Branches of different size: their results lie in a cell, and the extent is a symbol that each of them assigns.
// CHECK-LABEL: func.func @main
// CHECK: %[[R:.*]] = "plan.cell"()
// CHECK: "plan.set"() {symbols = ["v_n0"], values = ["0"]}
// CHECK: "plan.if"(%arg1)
// CHECK: %[[T:.*]] = "plan.grow"(%[[R]]) {bytes = "12", keep = "0"}
// CHECK: "plan.copy"({{.*}}, %[[T]]) {bytes = "12"}
// CHECK: "plan.set"() {symbols = ["v_n0"], values = ["3"]}
// CHECK: %[[E:.*]] = "plan.grow"(%[[R]]) {bytes = "n * 4", keep = "0"}
// CHECK: "plan.set"() {symbols = ["v_n0"], values = ["n"]}
// CHECK: "plan.current"(%[[R]])

// What turns make longer lies in one of two cells, the other is filled; what they give is stacked while they go on.
// CHECK: %[[A:.*]] = "plan.cell"()
// CHECK: %[[S:.*]] = "plan.cell"()
// CHECK: "plan.read"({{.*}}) {symbol = "[[C:v_[0-9]+]]"
// CHECK: %[[B:.*]] = "plan.cell"()
// CHECK: "plan.loop"()
// CHECK: "plan.current"(%[[A]])
// CHECK: "plan.grow"(%[[S]]) {bytes = "v_n1 * 4 + 4", keep = "v_n1 * 4"}
// CHECK: "plan.grow"(%[[B]])
// CHECK: "plan.set"() {symbols = ["[[G:v_[0-9]+]]", "v_n3", "v_n2"]
// CHECK: "plan.swap"(%[[A]], %[[B]])
// CHECK: {counter = "v_n1", extent = "10", condition = "[[G]]"}
func.func @main(%x: tensor<?xf32, {dims = ["n"]}>, %c: tensor<i1>) -> (tensor<?xf32, {dims = ["v_n2"]}>, tensor<?xf32, {dims = ["v_n3"]}>) {
  %k = "graph.constant"() {value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %y = "graph.if"(%c) ({
    "graph.yield"(%k) : (tensor<3xf32>) -> ()
  }, {
    "graph.yield"(%x) : (tensor<?xf32, {dims = ["n"]}>) -> ()
  }) {symbols = ["v_n0"]} : (tensor<i1>) -> tensor<?xf32, {dims = ["v_n0"]}>
  %a, %s = "graph.loop"(%c, %y) ({
  ^bb0(%v: tensor<?xf32, {dims = ["v_n2"]}>):
    %w = "graph.concat"(%v, %k) {axis = 0} : (tensor<?xf32, {dims = ["v_n2"]}>, tensor<3xf32>) -> tensor<?xf32, {dims = ["v_n2 + 3"]}>
    %t = "graph.map"() ({
      %p = "loop.constant"() {value = 1.0 : f32} : () -> f32
      "graph.yield"(%p) : (f32) -> ()
    }) {maps = []} : () -> tensor<f32>
    "graph.yield"(%c, %w, %t) : (tensor<i1>, tensor<?xf32, {dims = ["v_n2 + 3"]}>, tensor<f32>) -> ()
  }) {counter = "v_n1", extent = "10", conditional, turns = "v_n3", symbols = ["v_n2"]} : (tensor<i1>, tensor<?xf32, {dims = ["v_n0"]}>) -> (tensor<?xf32, {dims = ["v_n2"]}>, tensor<?xf32, {dims = ["v_n3"]}>)
  func.return %a, %s : tensor<?xf32, {dims = ["v_n2"]}>, tensor<?xf32, {dims = ["v_n3"]}>
}
