// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
#scores = {dims = ["n", "n"]}
#mask = {dims = ["", "m"]}
#values = {dims = ["n", ""]}
// The product needs what the sum has broadcast to be n again: so it is n, and only the mask is read as if it might be 1.
// CHECK-LABEL: func.func @main
// CHECK: "graph.require"() {is = "stretch", left = "m", right = "n",
// CHECK: "graph.require"() {is = "broadcast", left = "n", right = "m",
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>, {dims = 2, map = ["0", "d1 * min(1, max(0, m - 1))"]}]
// CHECK-SAME: -> tensor<?x?xf32, {dims = ["n", "n"]}>
// CHECK: "graph.matmul"
// CHECK-NOT: broadcast(
func.func @main(%s: tensor<?x?xf32, #scores>, %m: tensor<1x?xf32, #mask>, %v: tensor<?x8xf32, #values>) -> tensor<?x8xf32> {
  %a = "onnx.Add"(%s, %m) : (tensor<?x?xf32, #scores>, tensor<1x?xf32, #mask>) -> none
  %y = "onnx.MatMul"(%a, %v) : (none, tensor<?x8xf32, #values>) -> none
  func.return %y : none
}
