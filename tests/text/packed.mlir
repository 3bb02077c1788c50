// RUN: dsc opt --cpu=x86-64-v3 %s | FileCheck %s

// Elements of 4 bits share bytes: 13 of them are 7 bytes where an input is copied to a result. Pieces of a kernel that writes such elements
// run one after the other, as one piece: two threads must not write one byte.
// CHECK: "loop.parallel"() ({
// CHECK: "loop.for"
// CHECK: "loop.for"
// CHECK: {pieces = "1"}
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"{{.*}}what = "map 1001x333"
// CHECK: "plan.copy"(%arg0, %arg2) {bytes = "7"}
func.func @main(%x: tensor<13xui4> {ds.name = "x"}, %w: tensor<1001x333xf32> {ds.name = "w"}) -> (tensor<13xui4>, tensor<1001x333xui4>) {
  %y = "onnx.Identity"(%x) : (tensor<13xui4>) -> tensor<13xui4>
  %q = "onnx.Cast"(%w) {to = 21} : (tensor<1001x333xf32>) -> tensor<1001x333xui4>
  func.return %y, %q : tensor<13xui4>, tensor<1001x333xui4>
}
