// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
// RUN: dsc opt --passes=decompose %s | dsc opt --passes= - | FileCheck %s
#n = {dims = ["n", ""]}
#m = {dims = ["m", "k"]}
// Symbols that meet may be 1: that is required, and an operand is read at d * 0 or d * 1.
// CHECK-LABEL: func.func @main
// CHECK: "graph.require"() {is = "broadcast", left = "n", right = "m", {{.*}}what = "extents that meet in a broadcast are equal, or one of them is 1"}
// CHECK: "graph.require"() {is = "broadcast", left = "4", right = "k",
// CHECK: "graph.map"(%{{.*}}) ({
// CHECK: maps = [{dims = 2, map = ["d0 * min(1, max(0, n - 1))", "d1"]}, {dims = 2, map = ["d0 * min(1, max(0, m - 1))", "d1 * min(1, max(0, k - 1))"]}]
// CHECK-SAME: -> tensor<?x4xf32, {dims = ["broadcast(m, n)", ""]}>
func.func @main(%x: tensor<?x4xf32, #n>, %y: tensor<?x?xf32, #m>) -> tensor<?x4xf32> {
  %s = "onnx.Add"(%x, %y) : (tensor<?x4xf32, #n>, tensor<?x?xf32, #m>) -> none
  func.return %s : none
}
