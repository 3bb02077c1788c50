// RUN: not dsc opt --cpu=x86-64-v3 --verify-each %s 2>&1 | FileCheck %s

// Element types of caches that cannot be: what is said of a result is what it has.
// -----
// CHECK: error: {{.*}}'ds.stored' of result 'y' is no element type that caches are stored in
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {ds.stored = "f32"}) {
  %y = "onnx.Relu"(%x) : (tensor<4xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: {{.*}}'ds.stored' of result 'y' is no element type
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {ds.stored = 16}) {
  %y = "onnx.Relu"(%x) : (tensor<4xf32>) -> none
  func.return %y : none
}
// -----
// CHECK: error: {{.*}}result 'x' has elements of f32, and 'ds.stored' says bf16
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {ds.stored = "bf16"}) {
  func.return %x : tensor<4xf32>
}
// -----
// CHECK: error: {{.*}}result 'x' has 'ds.scales', and is stored as no bytes
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32> {ds.scales = 1}, tensor<4xf32>) {
  func.return %x, %y : tensor<4xf32>, tensor<4xf32>
}
