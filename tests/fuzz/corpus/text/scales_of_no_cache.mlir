
// CHECK: error: {{.*}}result 'x' has 'ds.scales', and is stored as no bytes
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32> {ds.scales = 1}, tensor<4xf32>) {
  func.return %x, %y : tensor<4xf32>, tensor<4xf32>
}
