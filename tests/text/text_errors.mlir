// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s
// CHECK: error: line 4, column {{[0-9]+}}: value %nowhere is not defined [DS0102]
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = "graph.reshape"(%nowhere) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
