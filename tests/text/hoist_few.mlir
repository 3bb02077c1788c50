// RUN: dsc opt --stop-after=hoist --precision=int4 --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// Weights that no row of mma.def takes as they are stored stay so: a call decodes them, in the order of panels.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %arg1: tensor<1x3x3x32x16xi4>
// CHECK: %[[P:.*]] = "graph.map"(%arg1, %{{.*}})
// CHECK: %[[V:.*]] = "graph.reshape"(%[[P]]){{.*}} -> tensor<16x32x3x3xf32, {map
// CHECK: "graph.conv"({{.*}}, %[[V]])
// CHECK-LABEL: func.func @constants
// CHECK-NOT: 16x32x3x3xf32
func.func @main(%x: tensor<1x32x6x6xf32>) -> tensor<1x16x4x4xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x32x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) : (tensor<1x32x6x6xf32>, none) -> none
  func.return %0 : none
}
