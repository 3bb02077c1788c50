// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Products as register tiles: their rows and columns, what is left over, what is done to them before they are stored.
// -----
// Five rows of 20 columns: a tile of 5 x 16, then one vector for the last four columns, under a mask. Weights lie in panels of 16 columns.
// A ReLU runs on the tiles, so nothing is stored in between.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"(%arg0, %arg1, {{.*}}) {rows = 5, columns = 2, lanes = 8, window = ["8"], lhs = ["1"], rhs = ["16"]}
// CHECK-COUNT-10: "loop.max"
// CHECK: "loop.tile"(%arg0, %arg1, {{.*}}) {rows = 5, columns = 1, lanes = 8, window = ["8"], lhs = ["1"], rhs = ["16"]}
// CHECK-COUNT-5: "loop.store"({{.*}}, %arg2, {{.*}} masked}
// CHECK-NOT: "loop.tile"
// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = "plan.weight"() {constant = 0, bytes = "1024"}
// CHECK: "plan.call"(%arg0, %[[W]], %arg1) {what = "matmul 5x20 over 8 + map"
func.func @main(%x: tensor<5x8xf32>) -> tensor<5x20xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<8x20xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<5x8xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  func.return %1 : none
}
// -----
// As many rows as the run has: tiles of six, and one more whose rows past the end are the last one again.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 6, columns = 2,
// CHECK-COUNT-12: "loop.store"
// CHECK: "loop.min"
// CHECK: "loop.tile"({{.*}}) {rows = 6, columns = 2,
// CHECK-NOT: masked
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<?x8xf32, {dims = ["n", ""]}>) -> tensor<?x16xf32, {dims = ["n", ""]}> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<8x16xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32, {dims = ["n", ""]}>, none) -> none
  func.return %0 : none
}
// -----
// Eleven rows that are known: tiles of six and of five. (Of ten there are two of five.)
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 6, columns = 2,
// CHECK: "loop.tile"({{.*}}) {rows = 5, columns = 2,
// CHECK-NOT: "loop.tile"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<11x8xf32>) -> tensor<11x16xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<8x16xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<11x8xf32>, none) -> none
  func.return %0 : none
}
// -----
// A right-hand side that an input is lies where the caller has it: row by row, 48 columns apart.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"(%arg0, %arg1, {{.*}} window = ["8"], lhs = ["1"], rhs = ["48"]
// CHECK-LABEL: func.func @main
// CHECK-NOT: "plan.weight"
func.func @main(%x: tensor<12x8xf32>, %y: tensor<8x48xf32>) -> tensor<12x48xf32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<12x8xf32>, tensor<8x48xf32>) -> none
  func.return %0 : none
}
// -----
// Integers of no row of the table of multiply-adds have no tiles: a loop over what is summed, which widens them.
// CHECK-LABEL: func.func @k{{[0-9]+}}(%arg0: memref<?xi32>, %arg1: memref<?xi32>, %arg2: memref<?xi32>)
// CHECK: "loop.mul"({{.*}}xi32>
// CHECK-NOT: "loop.tile"
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<12x8xi32>, %y: tensor<8x48xi32>) -> tensor<12x48xi32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<12x8xi32>, tensor<8x48xi32>) -> none
  func.return %0 : none
}
