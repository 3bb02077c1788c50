// RUN: dsc opt --passes=hoist %s | FileCheck %s

// What depends on constants only is computed once, when the model is compiled; what is summed over an extent that only
// the run knows is not, though its operands are constants and its result has a size that is known.
// CHECK: func.func @main(%{{.*}} {ds.recipe = 0}) -> (tensor<i64>, tensor<3xf32>)
// CHECK: "graph.reduce"
// CHECK: over = ["v_0"]
// CHECK-LABEL: @constants
// CHECK-NOT: v_0
// CHECK: "graph.map"
// CHECK-NOT: "graph.reduce"
func.func @main(%x: tensor<i64>) -> (tensor<i64>, tensor<3xf32>) {
  %one = "graph.constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %three = "graph.constant"() {value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  "graph.item"(%x) {symbol = "v_0", at = 0} : (tensor<i64>) -> ()
  %0 = "graph.reduce"(%one) ({
  ^bb0(%a: i64):
    "graph.yield"(%a) : (i64) -> ()
  }, {
  ^bb0(%a: i64, %b: i64):
    %s = "loop.add"(%a, %b) : (i64, i64) -> i64
    "graph.yield"(%s) : (i64) -> ()
  }) {maps = [affine_map<(d0) -> ()>], over = ["v_0"], init = [0]} : (tensor<i64>) -> tensor<i64>
  %1 = "graph.map"(%three) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<3xf32>) -> tensor<3xf32>
  func.return %0, %1 : tensor<i64>, tensor<3xf32>
}
