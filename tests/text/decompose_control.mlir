// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s
#n = {dims = ["n"]}
#twice = {dims = ["m"]}

// Branches whose results differ in extent: that is a symbol, which the op defines.
// CHECK-LABEL: @if
// CHECK: "graph.if"(%arg0)
// CHECK: "graph.concat"(%arg1, %arg1) {axis = 0} : {{.*}} -> tensor<?xf32, {dims = ["n * 2"]}>
// CHECK: "graph.map"(%arg1)
// CHECK: {symbols = ["[[V:v_n[0-9]+]]"]} : (tensor<i1>) -> tensor<?xf32, {dims = ["[[V]]"]}>
func.func @if(%c: tensor<i1>, %x: tensor<?xf32, #n>) -> tensor<?xf32, #twice> {
  %0 = "onnx.If"(%c) ({
    %1 = "onnx.Concat"(%x, %x) {axis = 0} : (tensor<?xf32, #n>, tensor<?xf32, #n>) -> none
    "graph.yield"(%1) : (none) -> ()
  }, {
    %2 = "onnx.Neg"(%x) : (tensor<?xf32, #n>) -> none
    "graph.yield"(%2) : (none) -> ()
  }) : (tensor<i1>) -> none
  func.return %0 : none
}

// A condition that is known leaves its branch.
// CHECK-LABEL: @known_condition
// CHECK-NOT: "graph.if"
// CHECK: "loop.exp"
// CHECK-NOT: "loop.neg"
func.func @known_condition(%x: tensor<2xf32>) -> tensor<2xf32> {
  %t = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> none
  %0 = "onnx.If"(%t) ({
    %1 = "onnx.Exp"(%x) : (tensor<2xf32>) -> none
    "graph.yield"(%1) : (none) -> ()
  }, {
    %2 = "onnx.Neg"(%x) : (tensor<2xf32>) -> none
    "graph.yield"(%2) : (none) -> ()
  }) : (none) -> none
  func.return %0 : none
}

// A number of turns that is an input is read into a symbol; what each turn gives besides the carried value is stacked. A condition that
// stays true is none.
// CHECK-LABEL: @loop
// CHECK: "graph.item"(%arg0) {symbol = "[[N:v_[0-9]+]]", at = 0}
// CHECK: "graph.loop"(%arg1)
// CHECK: ^bb0(%[[V:.*]]: tensor<2xf32>)
// CHECK: %[[NEXT:.*]] = "graph.map"(%[[V]])
// CHECK: "graph.yield"(%[[NEXT]], %[[V]])
// CHECK-NOT: conditional
// CHECK: extent = "max(0, [[N]])"} : (tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32, {dims = ["max(0, [[N]])", ""]}>)
func.func @loop(%m: tensor<i64>, %x: tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32, {dims = ["m", ""]}>) {
  %t = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> none
  %0, %1 = "onnx.Loop"(%m, %t, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: none):
    %2 = "onnx.Exp"(%v) : (none) -> none
    "graph.yield"(%go, %2, %v) : (tensor<i1>, none, none) -> ()
  }) : (tensor<i64>, none, tensor<2xf32>) -> (none, none)
  func.return %0, %1 : none, none
}

// Where a turn makes the carried value longer, its extent is a symbol of the loop, and the body is decomposed with it.
// CHECK-LABEL: @growing
// CHECK: "graph.loop"(%arg0)
// CHECK: ^bb0(%[[V:.*]]: tensor<?xf32, {dims = ["[[N:v_n[0-9]+]]"]}>)
// CHECK: "graph.concat"(%[[V]], %arg0) {{.*}} -> tensor<?xf32, {dims = ["[[N]] + 2"]}>
// CHECK: extent = "5", symbols = ["[[N]]"]} : (tensor<2xf32>) -> tensor<?xf32, {dims = ["[[N]]"]}>
func.func @growing(%x: tensor<2xf32>) -> tensor<?xf32, #twice> {
  %t = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> none
  %m = "onnx.Constant"() {value = dense<5> : tensor<i64>} : () -> none
  %0 = "onnx.Loop"(%m, %t, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: none):
    %2 = "onnx.Concat"(%v, %x) {axis = 0} : (none, tensor<2xf32>) -> none
    "graph.yield"(%go, %2) : (tensor<i1>, none) -> ()
  }) : (none, none, tensor<2xf32>) -> none
  func.return %0 : none
}

// A condition that turns compute ends the loop: it is carried first, and how many turns there were is a symbol.
// CHECK-LABEL: @until
// CHECK: "graph.loop"(
// CHECK: "loop.lt"
// CHECK: conditional, turns = "v_n
func.func @until(%x: tensor<f32>, %limit: tensor<f32>) -> tensor<f32> {
  %t = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> none
  %n = "onnx.None"() : () -> none
  %0 = "onnx.Loop"(%n, %t, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: none):
    %2 = "onnx.Exp"(%v) : (none) -> none
    %3 = "onnx.Less"(%2, %limit) : (none, tensor<f32>) -> none
    "graph.yield"(%3, %2) : (none, none) -> ()
  }) : (none, none, tensor<f32>) -> none
  func.return %0 : none
}

// Scan: the same loop, whose turns read an element of the input.
// CHECK-LABEL: @scan
// CHECK: "graph.loop"(%arg0)
// CHECK: "graph.map"(%arg1)
// CHECK: affine_map<(d0)[[[T:[a-z0-9_]+]]] -> ([[T]], d0)>
// CHECK: "loop.add"
// CHECK: {counter = "[[T]]", extent = "5"} : (tensor<2xf32>) -> (tensor<2xf32>, tensor<5x2xf32>)
func.func @scan(%s: tensor<2xf32>, %x: tensor<5x2xf32>) -> (tensor<2xf32>, tensor<5x2xf32>) {
  %0, %1 = "onnx.Scan"(%s, %x) ({
  ^bb0(%v: none, %e: none):
    %2 = "onnx.Add"(%v, %e) : (none, none) -> none
    "graph.yield"(%2, %2) : (none, none) -> ()
  }) {num_scan_inputs = 1} : (tensor<2xf32>, tensor<5x2xf32>) -> (none, none)
  func.return %0, %1 : none, none
}
