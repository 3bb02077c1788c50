// RUN: dsc opt --passes=collect --verify-each %s | FileCheck %s

// What constants make of whole numbers.
// -----
// Whole numbers that constants make come together, and are made before the map: what is taken off for the input's zero
// point, and the bias.
// CHECK-LABEL: func.func @main
// CHECK: %[[c:[0-9]+]] = "graph.map"(%[[a:[0-9]+]], %[[b:[0-9]+]])
// CHECK-NEXT: ^bb0(%[[x:[a-z0-9]+]]: i32, %[[y:[a-z0-9]+]]: i32)
// CHECK: %[[t:[0-9]+]] = "loop.mul"(%{{[0-9]+}}, %[[x]])
// CHECK: %[[d:[0-9]+]] = "loop.sub"(%[[y]], %[[t]])
// CHECK: "graph.yield"(%[[d]])
// CHECK: "graph.map"(%{{[a-z0-9]+}}, %[[c]])
// CHECK-NEXT: ^bb0(%[[s:[a-z0-9]+]]: i32, %[[k:[a-z0-9]+]]: i32)
// CHECK-NEXT: %[[r:[0-9]+]] = "loop.add"(%[[s]], %[[k]])
// CHECK-NEXT: "graph.yield"(%[[r]])
// CHECK: (d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>
func.func @main(%x: tensor<4x2xi32>) -> tensor<4x2xi32> {
  %a = "graph.constant"() {value = dense<[1, 2]> : tensor<2xi32>} : () -> tensor<2xi32>
  %b = "graph.constant"() {value = dense<[3, 4]> : tensor<2xi32>} : () -> tensor<2xi32>
  %0 = "graph.map"(%x, %a, %b) ({
  ^bb0(%s: i32, %w: i32, %bias: i32):
    %z = "loop.constant"() {value = 128} : () -> i32
    %1 = "loop.mul"(%z, %w) : (i32, i32) -> i32
    %2 = "loop.sub"(%s, %1) : (i32, i32) -> i32
    %3 = "loop.add"(%2, %bias) : (i32, i32) -> i32
    "graph.yield"(%3) : (i32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<4x2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<4x2xi32>
  func.return %0 : tensor<4x2xi32>
}
// -----
// All others are taken off: the constants come first. What only changes its type stays.
// CHECK-LABEL: func.func @main
// CHECK: "graph.map"
// CHECK: "loop.add"
// CHECK: "graph.map"(%{{[a-z0-9]+}}, %{{[0-9]+}}, %{{[0-9]+}})
// CHECK: "loop.cast"
// CHECK: "graph.yield"
func.func @main(%x: tensor<4x2xi32>) -> tensor<4x2xi32> {
  %a = "graph.constant"() {value = dense<[1, 2]> : tensor<2xi8>} : () -> tensor<2xi8>
  %b = "graph.constant"() {value = dense<[3, 4]> : tensor<2xi32>} : () -> tensor<2xi32>
  %c = "graph.constant"() {value = dense<[5, 6]> : tensor<2xi32>} : () -> tensor<2xi32>
  %0 = "graph.map"(%x, %a, %b, %c) ({
  ^bb0(%s: i32, %n: i8, %p: i32, %q: i32):
    %1 = "loop.sub"(%p, %s) : (i32, i32) -> i32
    %2 = "loop.add"(%1, %q) : (i32, i32) -> i32
    %3 = "loop.cast"(%n) : (i8) -> i32
    %4 = "loop.mul"(%2, %3) : (i32, i32) -> i32
    "graph.yield"(%4) : (i32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<4x2xi32>, tensor<2xi8>, tensor<2xi32>, tensor<2xi32>) -> tensor<4x2xi32>
  func.return %0 : tensor<4x2xi32>
}
// -----
// Floats keep their order, and constants that are read differently stay where they are.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-1: "graph.map"
// CHECK: "loop.add"
// CHECK: "loop.add"
// CHECK: "loop.add"
// CHECK: "loop.add"
// CHECK-NOT: "graph.map"
func.func @main(%x: tensor<2x2xf32>, %y: tensor<2x2xi32>) -> (tensor<2x2xf32>, tensor<2x2xi32>) {
  %a = "graph.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %b = "graph.constant"() {value = dense<[3, 4]> : tensor<2xi32>} : () -> tensor<2xi32>
  %0, %1 = "graph.map"(%x, %a, %a, %y, %b, %b) ({
  ^bb0(%s: f32, %p: f32, %q: f32, %t: i32, %u: i32, %v: i32):
    %2 = "loop.add"(%s, %p) : (f32, f32) -> f32
    %3 = "loop.add"(%2, %q) : (f32, f32) -> f32
    %4 = "loop.add"(%t, %u) : (i32, i32) -> i32
    %5 = "loop.add"(%4, %v) : (i32, i32) -> i32
    "graph.yield"(%3, %5) : (f32, i32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2x2xi32>, tensor<2xi32>, tensor<2xi32>) -> (tensor<2x2xf32>, tensor<2x2xi32>)
  func.return %0, %1 : tensor<2x2xf32>, tensor<2x2xi32>
}
// -----
// What is taken off a sum of constants is taken off at once.
// CHECK-LABEL: func.func @main
// CHECK: %[[c:[0-9]+]] = "graph.map"
// CHECK: "graph.map"(%{{[a-z0-9]+}}, %[[c]])
// CHECK-NEXT: ^bb0(%[[s:[a-z0-9]+]]: i32, %[[k:[a-z0-9]+]]: i32)
// CHECK-NEXT: %[[r:[0-9]+]] = "loop.sub"(%[[k]], %[[s]])
// CHECK-NEXT: "graph.yield"(%[[r]])
func.func @main(%x: tensor<4x2xi32>) -> tensor<4x2xi32> {
  %b = "graph.constant"() {value = dense<[3, 4]> : tensor<2xi32>} : () -> tensor<2xi32>
  %c = "graph.constant"() {value = dense<[5, 6]> : tensor<2xi32>} : () -> tensor<2xi32>
  %0 = "graph.map"(%x, %b, %c) ({
  ^bb0(%s: i32, %p: i32, %q: i32):
    %1 = "loop.sub"(%p, %s) : (i32, i32) -> i32
    %2 = "loop.add"(%1, %q) : (i32, i32) -> i32
    "graph.yield"(%2) : (i32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<4x2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<4x2xi32>
  func.return %0 : tensor<4x2xi32>
}
