// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
#n = {dims = ["n"]}
#rows = {dims = ["n", ""]}
#others = {dims = ["m", ""]}

// What only the run knows to fit is required there, where the node stands: extents that are summed together are equal.
// CHECK-LABEL: @product
// CHECK: "graph.require"() {is = "equal", left = "8", right = "m", node = "MatMul", what = "two extents are equal"}
func.func @product(%x: tensor<?x8xf32, #rows>, %y: tensor<?x4xf32, #others>) -> tensor<?x4xf32, #rows> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<?x8xf32, #rows>, tensor<?x4xf32, #others>) -> none
  func.return %0 : none
}

// Parts of a concat agree in the other extents.
// CHECK-LABEL: @concat
// CHECK: "graph.require"() {is = "equal", left = "n", right = "m", node = "Concat",
// CHECK: "graph.concat"{{.*}} -> tensor<?x12xf32, {dims = ["n", ""]}>
func.func @concat(%x: tensor<?x8xf32, #rows>, %y: tensor<?x4xf32, #others>) -> tensor<?x12xf32, #rows> {
  %0 = "onnx.Concat"(%x, %y) {axis = 1} : (tensor<?x8xf32, #rows>, tensor<?x4xf32, #others>) -> none
  func.return %0 : none
}

// Elements divide into rows.
// CHECK-LABEL: @reshape
// CHECK: "graph.require"() {is = "equal", left = "n", right = "(n floordiv 3) * 3", node = "node 'y' (Reshape)", what = "other extents hold as many elements"}
func.func @reshape(%x: tensor<?xf32, #n>) -> tensor<?x3xf32> {
  %t = "onnx.Constant"() {value = dense<[-1, 3]> : tensor<2xi64>} : () -> none
  %y = "onnx.Reshape"(%x, %t) : (tensor<?xf32, #n>, none) -> none
  func.return %y : none
}

// A window is not larger than what it slides over.
// CHECK-LABEL: @window
// CHECK: "graph.require"() {is = "at_most", left = "0", right = "n - 2", node = "Conv", what = "the window is not larger than the padded input"}
func.func @window(%x: tensor<1x1x?xf32, {dims = ["", "", "n"]}>, %w: tensor<1x1x3xf32>) -> tensor<1x1x?xf32, {dims = ["", "", "n - 2"]}> {
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x1x?xf32, {dims = ["", "", "n"]}>, tensor<1x1x3xf32>) -> none
  func.return %0 : none
}

// A count that is read lies within its axis.
// CHECK-LABEL: @count
// CHECK: "graph.item"(%{{.*}}) {symbol = "[[K:v_[0-9]+]]", at = 0}
// CHECK: "graph.require"() {is = "at_most", left = "0", right = "[[K]]", {{.*}} what = "k is not negative"}
// CHECK: "graph.require"() {is = "at_most", left = "[[K]]", right = "n", {{.*}} what = "k is at most the axis' extent"}
// CHECK: "graph.extern"
func.func @count(%x: tensor<?xf32, #n>, %k: tensor<1xi64>) -> (tensor<?xf32, {dims = ["k"]}>, tensor<?xi64, {dims = ["k"]}>) {
  %0, %1 = "onnx.TopK"(%x, %k) : (tensor<?xf32, #n>, tensor<1xi64>) -> (none, none)
  func.return %0, %1 : none, none
}

// What is seen to fit while compiling requires nothing.
// CHECK-LABEL: @nothing
// CHECK-NOT: "graph.require"
// CHECK: func.return
func.func @nothing(%x: tensor<?x8xf32, #rows>, %y: tensor<8x4xf32>) -> tensor<?x12xf32, #rows> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<?x8xf32, #rows>, tensor<8x4xf32>) -> none
  %1 = "onnx.Concat"(%0, %x) {axis = 1} : (none, tensor<?x8xf32, #rows>) -> none
  func.return %1 : none
}
