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

// Views that only add or drop extents of 1 disappear: the map takes the shape of the view behind it and reads what the one before it reads.
// CHECK-LABEL: @unit_views
// CHECK-NOT: "graph.reshape"
// CHECK: maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x3xf32>) -> tensor<4x3xf32>
// CHECK-NEXT: func.return
func.func @unit_views(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %0 = "graph.reshape"(%x) : (tensor<4x3xf32>) -> tensor<1x4x1x3xf32>
  %1 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (0, d1, d2, d3)>]} : (tensor<1x4x1x3xf32>) -> tensor<1x4x1x3xf32>
  %2 = "graph.reshape"(%1) : (tensor<1x4x1x3xf32>) -> tensor<4x3xf32>
  func.return %2 : tensor<4x3xf32>
}

// 1 + erf(x) = erfc(-x)
// CHECK-LABEL: @complement
// CHECK-NOT: "loop.erf"
// CHECK: "loop.erfc"
func.func @complement(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %c = "loop.constant"() {value = 1.0 : f64} : () -> f32
    %e = "loop.erf"(%a) : (f32) -> f32
    %s = "loop.add"(%e, %c) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}

// x * erfc(-x / sqrt(2)) * 0.5, in any order, is GELU
// CHECK-LABEL: @gelu
// CHECK: "loop.gelu"
func.func @gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %r = "loop.constant"() {value = 0.70710677 : f64} : () -> f32
    %h = "loop.constant"() {value = 0.5 : f64} : () -> f32
    %u = "loop.mul"(%a, %r) : (f32, f32) -> f32
    %n = "loop.neg"(%u) : (f32) -> f32
    %e = "loop.erfc"(%n) : (f32) -> f32
    %p = "loop.mul"(%h, %e) : (f32, f32) -> f32
    %y = "loop.mul"(%p, %a) : (f32, f32) -> f32
    "graph.yield"(%y) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}

// Another scale is no GELU
// CHECK-LABEL: @no_gelu
// CHECK-NOT: "loop.gelu"
func.func @no_gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %r = "loop.constant"() {value = 0.8 : f64} : () -> f32
    %h = "loop.constant"() {value = 0.5 : f64} : () -> f32
    %u = "loop.mul"(%a, %r) : (f32, f32) -> f32
    %n = "loop.neg"(%u) : (f32) -> f32
    %e = "loop.erfc"(%n) : (f32) -> f32
    %p = "loop.mul"(%h, %e) : (f32, f32) -> f32
    %y = "loop.mul"(%p, %a) : (f32, f32) -> f32
    "graph.yield"(%y) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}

// Slices put together again are what they were cut from; those that do not cover it stay.
// CHECK-LABEL: @slices
// CHECK: "graph.concat"(%arg0, %{{[^,]*}}) {axis = 0} : (tensor<6xf32>, tensor<4xf32>)
func.func @slices(%x: tensor<6xf32>) -> tensor<10xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<6xf32>) -> tensor<2xf32>
  %1 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0 + 2)>]} : (tensor<6xf32>) -> tensor<4xf32>
  %2 = "graph.concat"(%0, %1, %1) {axis = 0} : (tensor<2xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<10xf32>
  func.return %2 : tensor<10xf32>
}
