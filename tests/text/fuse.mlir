// RUN: dsc opt --passes=fuse %s | FileCheck %s
// RUN: dsc opt --passes=fuse --trace-rules %s 2>&1 >/dev/null | FileCheck --check-prefix=TRACE %s
// TRACE: rule merge-into-map

// A transpose disappears into the map that reads it: access maps compose.
// CHECK-LABEL: @transpose_into_map
// CHECK-COUNT-1: "graph.map"
// CHECK: maps = [affine_map<(d0, d1) -> (d1, d0)>]
func.func @transpose_into_map(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d1, d0)>]} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<3x2xf32>) -> tensor<3x2xf32>
  func.return %1 : tensor<3x2xf32>
}

// An expensive producer with two readers stays.
// CHECK-LABEL: @two_readers
// CHECK-COUNT-3: "graph.map"
func.func @two_readers(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %n = "loop.neg"(%a) : (f32) -> f32
    "graph.yield"(%n) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %n = "loop.abs"(%a) : (f32) -> f32
    "graph.yield"(%n) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %1, %2 : tensor<4xf32>, tensor<4xf32>
}
