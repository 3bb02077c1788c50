// RUN: dsc opt --passes=range --verify-each %s | FileCheck %s

// Which numbers surely fit 32 bits.
// -----
// A sum of 32 bits times constants below a half surely fits 32 bits; times a number of the run, or times one, it may not.
// CHECK-LABEL: func.func @main
// CHECK: "loop.quantize"({{.*}}) {fits}
// CHECK: "loop.quantize"({{.*}}) :
// CHECK: "loop.quantize"({{.*}}) :
func.func @main(%x: tensor<4x2xi32>, %run: tensor<2xf32>) -> (tensor<4x2xi8>, tensor<4x2xi8>, tensor<4x2xi8>) {
  %a = "graph.constant"() {value = dense<[0.1, -0.5]> : tensor<2xf32>} : () -> tensor<2xf32>
  %b = "graph.constant"() {value = dense<[0.1, 1.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %0, %1, %2 = "graph.map"(%x, %a, %b, %run) ({
  ^bb0(%s: i32, %p: f32, %q: f32, %r: f32):
    %z = "loop.constant"() {value = 3} : () -> i8
    %one = "loop.constant"() {value = 1.0 : f64} : () -> f32
    %3 = "loop.cast"(%s) : (i32) -> f32
    %4 = "loop.mul"(%3, %p) : (f32, f32) -> f32
    %5 = "loop.mul"(%3, %q) : (f32, f32) -> f32
    %6 = "loop.mul"(%3, %r) : (f32, f32) -> f32
    %7 = "loop.quantize"(%4, %one, %z) : (f32, f32, i8) -> i8
    %8 = "loop.quantize"(%5, %one, %z) : (f32, f32, i8) -> i8
    %9 = "loop.quantize"(%6, %one, %z) : (f32, f32, i8) -> i8
    "graph.yield"(%7, %8, %9) : (i8, i8, i8) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<4x2xi32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<4x2xi8>, tensor<4x2xi8>, tensor<4x2xi8>)
  func.return %0, %1, %2 : tensor<4x2xi8>, tensor<4x2xi8>, tensor<4x2xi8>
}
// -----
// Scales that constants make; sums with what is quantised already; a scale far below one makes numbers large; NaN and
// infinity are no magnitudes.
// CHECK-LABEL: func.func @main
// CHECK: "loop.quantize"({{.*}}) {fits}
// CHECK: "loop.quantize"({{.*}}) {fits}
// CHECK: "loop.quantize"({{.*}}) :
// CHECK: "loop.quantize"({{.*}}) :
func.func @main(%x: tensor<4xi32>) -> (tensor<4xi8>, tensor<4xui8>, tensor<4xui8>, tensor<4xi8>) {
  %a = "graph.constant"() {value = dense<[0.1, 0.2, 0.3, 0.4]> : tensor<4xf32>} : () -> tensor<4xf32>
  %n = "graph.constant"() {value = dense<[0.1, 0xFFC00000, 0.3, 0.4]> : tensor<4xf32>} : () -> tensor<4xf32>
  %w = "graph.map"(%a) ({
  ^bb0(%s: f32):
    %t = "loop.mul"(%s, %s) : (f32, f32) -> f32
    "graph.yield"(%t) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %0, %1, %2, %3 = "graph.map"(%x, %w, %n) ({
  ^bb0(%s: i32, %p: f32, %q: f32):
    %z = "loop.constant"() {value = 0} : () -> i8
    %u = "loop.constant"() {value = 128} : () -> ui8
    %one = "loop.constant"() {value = 1.0 : f64} : () -> f32
    %small = "loop.constant"() {value = 1.0e-08 : f64} : () -> f32
    %4 = "loop.cast"(%s) : (i32) -> f32
    %5 = "loop.mul"(%4, %p) : (f32, f32) -> f32
    %6 = "loop.quantize"(%5, %one, %z) : (f32, f32, i8) -> i8
    %7 = "loop.cast"(%6) : (i8) -> f32
    %8 = "loop.add"(%7, %5) : (f32, f32) -> f32
    %9 = "loop.quantize"(%8, %one, %u) : (f32, f32, ui8) -> ui8
    %10 = "loop.quantize"(%8, %small, %u) : (f32, f32, ui8) -> ui8
    %11 = "loop.mul"(%4, %q) : (f32, f32) -> f32
    %12 = "loop.quantize"(%11, %one, %z) : (f32, f32, i8) -> i8
    "graph.yield"(%6, %9, %10, %12) : (i8, ui8, ui8, i8) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>]} : (tensor<4xi32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xi8>, tensor<4xui8>, tensor<4xui8>, tensor<4xi8>)
  func.return %0, %1, %2, %3 : tensor<4xi8>, tensor<4xui8>, tensor<4xui8>, tensor<4xi8>
}
