// RUN: dsc opt --cpu=x86-64-v4-amx --precision=bf16 --verify-each %s | FileCheck %s

// Products by registers that hold matrices.
// -----
// Rows that are multiples of a matrix's: two by two of them, 16 steps of k at a time, sums by way of memory.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: schedule = {{.*}}{axis = "m", kind = "tile", step = 32, tail = "exact"}, {axis = "n", kind = "tile", step = 32, tail = "exact"}, {axis = "k", kind = "tile", step = 16, tail = "exact"}]{{.*}} mma = "matrix_u8i8"
// CHECK: "loop.matrices"
// CHECK: %[[sums:[0-9]+]] = "loop.local"() {count = 1024}
// CHECK: "loop.matrix"({{.*}}, %[[sums]]) {high = 2, wide = 2, stride = "256"
// CHECK: "loop.for"
// CHECK: "loop.load"(%[[sums]]
// CHECK: {mma = "matrix_u8i8", steps = 16}
func.func @main(%x: tensor<64x256xui8>) -> tensor<64x64xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<64x256xui8>, none) -> none
  func.return %0 : none
}
// -----
// Rows that are left over are those of matrices that begin earlier; 49 rows are twice two of 13.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: {axis = "m", kind = "tile", step = 26, tail = "overlap"}
// CHECK: %[[rows:[0-9]+]] = "loop.constant"() {value = 13}
// CHECK: "loop.matrices"(%[[rows]])
// CHECK: "loop.min"
// CHECK: "loop.matrix"
func.func @main(%x: tensor<49x256xui8>) -> tensor<49x64xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<49x256xui8>, none) -> none
  func.return %0 : none
}
// -----
// Where rows are known at run time only, matrices have as many as there are, up to 16.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: {axis = "m", kind = "tile", step = 32, tail = "overlap"}
// CHECK: "loop.min"
// CHECK: %[[rows:[0-9]+]] = "loop.max"
// CHECK: "loop.matrices"(%[[rows]])
func.func @main(%x: tensor<?xui8>) -> tensor<?x64xi32> {
  %s = "onnx.Constant"() {value = dense<[-1, 256]> : tensor<2xi64>} : () -> none
  %r = "onnx.Reshape"(%x, %s) : (tensor<?xui8>, none) -> none
  %w = "onnx.Constant"() {value = dense<3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%r, %w) : (none, none) -> none
  func.return %0 : none
}
// -----
// Steps of a matrix divide those of k: 96 bytes are two of twelve steps.
// CHECK-LABEL: func.func @k0
// CHECK: {mma = "matrix_u8i8", steps = 12}
func.func @main(%x: tensor<64x96xui8>) -> tensor<64x64xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<96x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<64x96xui8>, none) -> none
  func.return %0 : none
}
// -----
// One row is not worth a matrix.
// CHECK-LABEL: func.func @k0
// CHECK-NOT: loop.matri
// CHECK: mma = "quads_u8i8"
func.func @main(%x: tensor<1x256xui8>) -> tensor<1x64xi32> {
  %w = "onnx.Constant"() {value = dense<3> : tensor<256x64xi8>} : () -> none
  %0 = "onnx.MatMulInteger"(%x, %w) : (tensor<1x256xui8>, none) -> none
  func.return %0 : none
}
// -----
// Floats are rounded to 16 bits where options ask for that: the product reads what lies in memory so.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: memref<?xf32>, %{{[a-z0-9]+}}: memref<?xbf16>
// CHECK-LABEL: func.func @k1
// CHECK-SAME: memref<?xbf16>, %{{[a-z0-9]+}}: memref<?xbf16>
// CHECK: {mma = "matrix_bf16", steps = 16}
func.func @main(%x: tensor<64x256xf32>) -> tensor<64x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<256x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<64x256xf32>, none) -> none
  func.return %0 : none
}
// -----
// What lies between two products is rounded for the second one; the sum behind it reads what it was.
// CHECK-LABEL: func.func @k1
// CHECK-SAME: memref<?xbf16>, %{{[a-z0-9]+}}: memref<?xf32>)
// CHECK-LABEL: func.func @k2
// CHECK-SAME: (%{{[a-z0-9]+}}: memref<?xf32>, %{{[a-z0-9]+}}: memref<?xbf16>)
// CHECK-LABEL: func.func @k3
// CHECK-SAME: (%{{[a-z0-9]+}}: memref<?xbf16>, %{{[a-z0-9]+}}: memref<?xbf16>, %{{[a-z0-9]+}}: memref<?xf32>, %{{[a-z0-9]+}}: memref<?xf32>)
func.func @main(%x: tensor<64x256xf32>) -> tensor<64x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.3> : tensor<256x64xf32>} : () -> none
  %v = "onnx.Constant"() {value = dense<0.4> : tensor<64x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<64x256xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, none) -> none
  %3 = "onnx.Add"(%1, %2) : (none, none) -> none
  func.return %3 : none
}
// -----
// What is of 16 bits already stays so, on both sides.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: (%{{[a-z0-9]+}}: memref<?xbf16>, %{{[a-z0-9]+}}: memref<?xbf16>, %{{[a-z0-9]+}}: memref<?xbf16>)
// CHECK: {mma = "matrix_bf16", steps = 16}
func.func @main(%x: tensor<64x256xbf16>) -> tensor<64x64xbf16> {
  %c = "onnx.Constant"() {value = dense<0.3> : tensor<256x64xf32>} : () -> none
  %w = "onnx.Cast"(%c) {to = 16} : (none) -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<64x256xbf16>, none) -> none
  func.return %0 : none
}
