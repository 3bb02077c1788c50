// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Maps as loops: which loops there are, and what a lane does.
// -----
// Dims that follow each other in memory are one: 30 elements, eight at a time, then what is left over under a mask.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.parallel"
// CHECK: "loop.for"
// CHECK: "loop.load"(%arg0, %[[AT:[^,]*]]) {map = affine_map<(d0) -> (d0)>} : {{.*}} -> vector<8xf32>
// CHECK: "loop.neg"
// CHECK: "loop.store"({{.*}}, %arg1, %[[AT]])
// CHECK: "loop.for"
// CHECK-NEXT: ^bb0(%[[END:.*]]: index)
// CHECK: %[[MASK:.*]] = "loop.lt"({{.*}}) : {{.*}} -> vector<8xi1>
// CHECK: "loop.load"(%arg0, %[[END]], %[[MASK]]) {map = affine_map<(d0) -> (d0)>, masked}
// CHECK: "loop.store"({{.*}}, %arg1, %[[END]], %[[MASK]])
// CHECK-NOT: "loop.for"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<10x3xf32>) -> tensor<10x3xf32> {
  %0 = "onnx.Neg"(%x) : (tensor<10x3xf32>) -> none
  func.return %0 : none
}
// -----
// A row that is added to all rows keeps the two dims apart. How many pieces there are is an expression over the symbol; each has some rows.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: pieces = "[[P:[^"]*n[^"]*]]", schedule = {{.*}}, symbols = ["n"]
// CHECK: "loop.apply"() {map = affine_map<()[n] -> (n)>}
// CHECK: "loop.for"
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: index)
// CHECK: "loop.load"(%arg0, %[[ROW]], {{.*}}) {map = affine_map<(d0, d1) -> (d0 * 24 + d1)>} : {{.*}} -> vector<8xf32>
// CHECK: "loop.load"(%arg1, %{{.*}}) {map = affine_map<(d0) -> (d0)>} : {{.*}} -> vector<8xf32>
// CHECK: "loop.add"
// CHECK: pieces = "[[P]]"
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"({{.*}} pieces = "[[P]]", symbols = ["n"]
func.func @main(%x: tensor<?x24xf32, {dims = ["n", ""]}>, %y: tensor<24xf32>) -> tensor<?x24xf32, {dims = ["n", ""]}> {
  %0 = "onnx.Add"(%x, %y) : (tensor<?x24xf32, {dims = ["n", ""]}>, tensor<24xf32>) -> none
  func.return %0 : none
}
// -----
// A number for each row is loaded once, and is all lanes of a vector.
// CHECK-LABEL: func.func @k0
// CHECK: %[[V:.*]] = "loop.load"(%arg1, {{.*}} -> f32
// CHECK: "loop.splat"(%[[V]]) : (f32) -> vector<8xf32>
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<24x24xf32>, %y: tensor<24x1xf32>) -> tensor<24x24xf32> {
  %0 = "onnx.Mul"(%x, %y) : (tensor<24x24xf32>, tensor<24x1xf32>) -> none
  func.return %0 : none
}
// -----
// A transpose turns a square of vectors over in registers: eight loads along the operand's rows, eight stores along the result's.
// CHECK-LABEL: func.func @k0
// CHECK-COUNT-8: "loop.load"(%arg0, {{.*}}) {map = affine_map<(d0, d1) -> (d0 * 64 + d1)>} : {{.*}} -> vector<8xf32>
// CHECK: "loop.transpose"
// CHECK-COUNT-8: "loop.store"({{.*}}, %arg1, {{.*}}) {map = affine_map<(d0, d1) -> (d0 + d1 * 64)>}
// CHECK-NOT: masked
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %0 = "onnx.Transpose"(%x) : (tensor<64x64xf32>) -> none
  func.return %0 : none
}
// -----
// Columns that fill no square: the last one reaches back into the one before, and stores what is new.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.transpose"
// CHECK-COUNT-8: "loop.store"
// CHECK-NOT: masked
// CHECK: "loop.transpose"
// CHECK-COUNT-5: "loop.store"
// CHECK-NOT: "loop.store"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<64x13xf32>) -> tensor<13x64xf32> {
  %0 = "onnx.Transpose"(%x) : (tensor<64x13xf32>) -> none
  func.return %0 : none
}
// -----
// Fewer columns than lanes: loads are masked. Of lanes that do not count nothing is read, nor stored.
// CHECK-LABEL: func.func @k0
// CHECK-COUNT-8: "loop.load"({{.*}} masked}
// CHECK: "loop.transpose"
// CHECK-COUNT-6: "loop.store"
// CHECK-NOT: "loop.store"
// CHECK-COUNT-3: "loop.load"({{.*}} masked}
// CHECK-NOT: "loop.load"
// CHECK: "loop.transpose"
// CHECK-COUNT-6: "loop.store"({{.*}} masked}
// CHECK-NOT: "loop.store"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<11x6xf32>) -> tensor<6x11xf32> {
  %0 = "onnx.Transpose"(%x) : (tensor<11x6xf32>) -> none
  func.return %0 : none
}
// -----
// What is read outside is a constant: lanes look where they are, and loads are masked.
// CHECK-LABEL: func.func @k0
// CHECK: value = 7.00000e+00
// CHECK: %[[IN:.*]] = "loop.and"
// CHECK: "loop.load"(%arg0, {{.*}} masked}
// CHECK: "loop.select"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<40xf32>) -> tensor<43xf32> {
  %pads = "onnx.Constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> none
  %v = "onnx.Constant"() {value = dense<7.0> : tensor<f32>} : () -> none
  %0 = "onnx.Pad"(%x, %pads, %v) : (tensor<40xf32>, none, none) -> none
  func.return %0 : none
}
// -----
// Equal kernels are one function, whatever they are called for.
// CHECK: func.func @k0
// CHECK-NOT: func.func @k1
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: "plan.call"({{.*}} kernel = @k0
func.func @main(%x: tensor<40xf32>, %y: tensor<40xf32>) -> (tensor<40xf32>, tensor<40xf32>) {
  %0 = "onnx.Exp"(%x) : (tensor<40xf32>) -> none
  %1 = "onnx.Exp"(%y) : (tensor<40xf32>) -> none
  func.return %0, %1 : none, none
}
