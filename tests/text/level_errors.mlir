// RUN: not dsc opt %s 2>&1 | FileCheck %s

// What text says of itself is looked at before anything runs.
// -----
// It names a pass.
// CHECK: error: ds.after names no pass [DS0117]
module attributes {ds.after = "unheard"} {
  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    func.return %x : tensor<4xf32>
  }
}
// -----
// Behind decompose there is nothing of ONNX.
// CHECK: error: Relu: ds.after says 'simplify', and there is no such op behind it [DS0116]
module attributes {ds.after = "simplify"} {
  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = "onnx.Relu"(%x) : (tensor<4xf32>) -> none
    func.return %0 : none
  }
}
// -----
// Behind lower there are no tensors.
// CHECK: error: graph.reshape: ds.after says 'lower', and there is no such op behind it [DS0116]
module attributes {ds.after = "lower"} {
  func.func @main(%x: tensor<4xf32>) -> tensor<2x2xf32> {
    %0 = "graph.reshape"(%x) : (tensor<4xf32>) -> tensor<2x2xf32>
    func.return %0 : tensor<2x2xf32>
  }
}
// -----
// The pipeline compiles @main.
// CHECK: error: there is no function @main [DS0116]
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  func.return %x : tensor<4xf32>
}
