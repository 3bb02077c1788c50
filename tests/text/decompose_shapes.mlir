// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
#x = {dims = ["b", "s", ""]}
#n = {dims = ["n"]}
#rows = {dims = ["n", ""]}
#any = {dims = ["m", "k"]}

// Shape, Gather and Concat of integers are followed over extents, so a Reshape by them is a view of known shape, and nothing is required.
// CHECK-LABEL: @heads
// CHECK-NOT: "graph.require"
// CHECK: "graph.index"() {values = ["b", "s", "2", "4"]}
// CHECK: "graph.reshape"(%arg0) : {{.*}} -> tensor<?x?x2x4xf32, {dims = ["b", "s", "", ""]}>
func.func @heads(%x: tensor<?x?x8xf32, #x>) -> tensor<?x?x2x4xf32, {dims = ["b", "s", "", ""]}> {
  %z = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %o = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %t = "onnx.Constant"() {value = dense<[2, 4]> : tensor<2xi64>} : () -> none
  %s = "onnx.Shape"(%x) : (tensor<?x?x8xf32, #x>) -> none
  %b = "onnx.Gather"(%s, %z) : (none, none) -> none
  %n = "onnx.Gather"(%s, %o) : (none, none) -> none
  %c = "onnx.Concat"(%b, %n, %t) {axis = 0} : (none, none, none) -> none
  %y = "onnx.Reshape"(%x, %c) : (tensor<?x?x8xf32, #x>, none) -> none
  func.return %y : none
}

// Arithmetic on extents as well: the first half of the rows.
// CHECK-LABEL: @first_half
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>]} : {{.*}} -> tensor<?x8xf32, {dims = ["min(n, (n floordiv 2))", ""]}>
func.func @first_half(%x: tensor<?x8xf32, #rows>) -> tensor<?x8xf32, #rows> {
  %z = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> none
  %first = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %two = "onnx.Constant"() {value = dense<2> : tensor<i64>} : () -> none
  %s = "onnx.Shape"(%x) : (tensor<?x8xf32, #rows>) -> none
  %n = "onnx.Gather"(%s, %z) : (none, none) -> none
  %half = "onnx.Div"(%n, %two) : (none, none) -> none
  %to = "onnx.Unsqueeze"(%half, %first) : (none, none) -> none
  %y = "onnx.Slice"(%x, %first, %to) : (tensor<?x8xf32, #rows>, none, none) -> none
  func.return %y : none
}

// -1 is what is left: 6 n elements are 2 n rows of 3.
// CHECK-LABEL: @what_is_left
// CHECK-NOT: "graph.require"
// CHECK: "graph.reshape"(%arg0) : {{.*}} -> tensor<?x3xf32, {dims = ["n * 2", ""]}>
func.func @what_is_left(%x: tensor<?x6xf32, #rows>) -> tensor<?x3xf32> {
  %t = "onnx.Constant"() {value = dense<[-1, 3]> : tensor<2xi64>} : () -> none
  %y = "onnx.Reshape"(%x, %t) : (tensor<?x6xf32, #rows>, none) -> none
  func.return %y : none
}

// A Range up to a size has that many elements.
// CHECK-LABEL: @range
// CHECK: "graph.index"() {values = ["n"]}
// CHECK: "loop.position"() {dim = 0}
// CHECK: -> tensor<?xi64, {dims = ["n"]}>
func.func @range(%x: tensor<?xf32, #n>) -> tensor<?xi64, #n> {
  %z = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> none
  %o = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> none
  %s = "onnx.Size"(%x) : (tensor<?xf32, #n>) -> none
  %y = "onnx.Range"(%z, %s, %o) : (none, none, none) -> none
  func.return %y : none
}

// A shape that is an input is read at run time, element by element, into symbols.
// CHECK-LABEL: @read
// CHECK: "graph.item"(%arg1) {symbol = "v_[[A:[0-9]+]]", at = 0}
// CHECK: "graph.item"(%arg1) {symbol = "v_[[B:[0-9]+]]", at = 1}
// CHECK: "graph.require"() {is = "equal", left = "6", right = "[[M:v_n[0-9]+]] * [[K:v_n[0-9]+]]", {{.*}} what = "other extents hold as many elements"}
// CHECK: "graph.reshape"(%arg0) : (tensor<6xf32>) -> tensor<?x?xf32, {dims = ["[[M]]", "[[K]]"]}>
func.func @read(%x: tensor<6xf32>, %shape: tensor<2xi64>) -> tensor<?x?xf32, #any> {
  %y = "onnx.Reshape"(%x, %shape) : (tensor<6xf32>, tensor<2xi64>) -> none
  func.return %y : none
}
