// RUN: dsc opt --passes= %s | FileCheck %s
// RUN: dsc opt --passes= %s | dsc opt --passes= - | FileCheck %s
// RUN: dsc opt --passes= %s | mlir-opt-19 --allow-unregistered-dialect

// How a person may write a graph: what is printed names everything, and is read again as the same.
// -----
// Values give inputs, nodes and outputs their names; numbers, and what print.c calls arguments, do not. ds.name stands before that.
// CHECK: func.func @main(%arg0: tensor<2xf32> {ds.name = "left"}, %arg1: tensor<2xf32>, %arg2: tensor<2xf32> {ds.name = "third"})
// CHECK-SAME: -> (tensor<2xf32> {ds.name = "sum"}, tensor<2xf32>, tensor<2xf32> {ds.name = "last"})
// CHECK: "onnx.Add"({{.*}} loc("sum"){{$}}
// CHECK: "onnx.Neg"({{.*}} -> tensor<2xf32>{{$}}
// CHECK: "onnx.Abs"({{.*}} loc("by hand"){{$}}
module @names {
  func.func @main(%left: tensor<2xf32>, %arg1: tensor<2xf32>, %x: tensor<2xf32> {ds.name = "third"})
      -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32> {ds.name = "last"}) {
    %sum = "onnx.Add"(%left, %arg1) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %0 = "onnx.Neg"(%x) : (tensor<2xf32>) -> tensor<2xf32>
    %y = "onnx.Abs"(%x) : (tensor<2xf32>) -> tensor<2xf32> loc("by hand")
    func.return %sum, %0, %y : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
  }
}
// -----
// Each use of an alias has unnamed extents of its own; one without a name is that of the definition. The function may say more than the
// node.
// CHECK: @main(%arg0: tensor<?x3xf32, {dims = ["u{{[0-9]+}}", ""]}> {ds.name = "x"}, %arg1: tensor<?x3xf32, {dims = ["u{{[0-9]+}}", ""]}> {ds.name = "y"}) -> (tensor<4x3xf32> {ds.name = "z"})
// CHECK: -> tensor<4x3xf32> loc("z")
!rows = tensor<?x3xf32>
func.func @main(%x: !rows, %y: !rows) -> tensor<4x3xf32> {
  %z = "onnx.Mul"(%x, %y) : (!rows, tensor<?x3xf32>) -> none
  func.return %z : none
}
// -----
// Several results under one name, as mlir-opt prints them; the first goes without a number.
// CHECK: %0, %1, %2 = "onnx.Split"
// CHECK: "onnx.Concat"(%0, %2, %1, %0)
func.func @main(%x: tensor<6xf32>) -> tensor<*xf32> {
  %part:3 = "onnx.Split"(%x) {num_outputs = 3} : (tensor<6xf32>) -> (none, none, none)
  %y = "onnx.Concat"(%part, %part#2, %part#1, %part#0) {axis = 0} : (none, none, none, none) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// Locations of MLIR are read; those of files are this text's business.
// CHECK: "onnx.Neg"{{.*}} loc("a"){{$}}
// CHECK: "onnx.Abs"{{.*}} loc("b"){{$}}
// CHECK: "onnx.Neg"{{.*}} loc("y"){{$}}
func.func @main(%x: tensor<6xf32>) -> tensor<*xf32> {
  %a = "onnx.Neg"(%x) : (tensor<6xf32>) -> none loc("model.py":3:4)
  %0 = "onnx.Abs"(%a) : (none) -> none loc("b"("model.py":5:6))
  %y = "onnx.Neg"(%0) : (none) -> tensor<*xf32> loc(unknown)
  func.return %y : tensor<*xf32>
}
// -----
// Elements of one value; bits; none at all.
// CHECK: dense<{{\[}}[1.50000e+00, 1.50000e+00]]>
// CHECK: {bytes = "0000807F0000803F", type = tensor<2xf32>}
// CHECK: {bytes = "", type = tensor<0x3xi8>}
func.func @main(%x: tensor<6xf32>) -> tensor<*xf32> {
  %a = "onnx.Constant"() {value = dense<1.5> : tensor<1x2xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<[0x7F800000, 0x3F800000]> : tensor<2xf32>} : () -> none
  %c = "onnx.Constant"() {value = dense<> : tensor<0x3xi8>} : () -> none
  %y = "onnx.Neg"(%x) : (tensor<6xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
