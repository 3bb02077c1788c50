// RUN: dsc opt --passes=simplify --print-facts %s | FileCheck %s

// Bounds per op: of a sigmoid, of what is cut off, of a hyperbolic tangent behind that.
// CHECK-LABEL: @bounds
// CHECK: -> tensor<4xf32> // [0, 1] or NaN
// CHECK: -> tensor<4xf32> // [-0.5, 2], where operand 0 is 0: {0}
// CHECK: -> tensor<4xf32> // [-0.46211{{[0-9]+}}, 0.96403{{[0-9]*}}], where operand 0 is 0: {0}
func.func @bounds(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %1 = "loop.neg"(%a) : (f32) -> f32
    %2 = "loop.exp"(%1) : (f32) -> f32
    %3 = "loop.constant"() {value = 1.0 : f64} : () -> f32
    %4 = "loop.add"(%3, %2) : (f32, f32) -> f32
    %5 = "loop.div"(%3, %4) : (f32, f32) -> f32
    "graph.yield"(%5) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %6 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %7 = "loop.constant"() {value = -0.5 : f64} : () -> f32
    %8 = "loop.constant"() {value = 2.0 : f64} : () -> f32
    %9 = "loop.eq"(%a, %a) : (f32, f32) -> i1
    %10 = "loop.select"(%9, %a, %8) : (i1, f32, f32) -> f32
    %11 = "loop.max"(%10, %7) : (f32, f32) -> f32
    %12 = "loop.min"(%11, %8) : (f32, f32) -> f32
    "graph.yield"(%12) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %13 = "graph.map"(%6) ({
  ^bb0(%a: f32):
    %14 = "loop.tanh"(%a) : (f32) -> f32
    "graph.yield"(%14) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %0, %13 : tensor<4xf32>, tensor<4xf32>
}

// A gate of 0 or 1 that is cast from a truth, and one that is selected. Behind x + gate * f(y), a closed gate leaves x.
// CHECK-LABEL: @gates
// CHECK: -> tensor<4x1xf32> // {0, 1}, where operand 0 is 0: {0}
// CHECK: -> tensor<4x1xf32> // {0, 1}
// CHECK: -> tensor<4x8xf32> // [0, inf] or NaN, where operand 1 is 0: [0, inf] or NaN without operands 2 3{{$}}
func.func @gates(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %b: tensor<8xf32>, %m: tensor<4x1xi1>, %p: tensor<4x1xf32>) -> (tensor<4x8xf32>, tensor<4x1xf32>) {
  %0 = "graph.map"(%m) ({
  ^bb0(%a: i1):
    %1 = "loop.cast"(%a) : (i1) -> f32
    "graph.yield"(%1) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x1xi1>) -> tensor<4x1xf32>
  %2 = "graph.map"(%p) ({
  ^bb0(%a: f32):
    %3 = "loop.constant"() {value = 0.0 : f64} : () -> f32
    %4 = "loop.constant"() {value = 1.0 : f64} : () -> f32
    %5 = "loop.lt"(%3, %a) : (f32, f32) -> i1
    %6 = "loop.select"(%5, %4, %3) : (i1, f32, f32) -> f32
    "graph.yield"(%6) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %7 = "graph.map"(%x, %0, %y, %b) ({
  ^bb0(%a: f32, %g: f32, %c: f32, %d: f32):
    %8 = "loop.add"(%c, %d) : (f32, f32) -> f32
    %9 = "loop.mul"(%8, %g) : (f32, f32) -> f32
    %10 = "loop.add"(%a, %9) : (f32, f32) -> f32
    %11 = "loop.constant"() {value = 0.0 : f64} : () -> f32
    %12 = "loop.max"(%10, %11) : (f32, f32) -> f32
    "graph.yield"(%12) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  func.return %7, %2 : tensor<4x8xf32>, tensor<4x1xf32>
}

// Constants are looked at; sums are counts times an interval, and what is read outside adds its zeros.
// CHECK-LABEL: @sums
// CHECK: -> tensor<2x3xi8> // [-3, 9]
// CHECK: -> tensor<2x4xf32> // {-1, 0.5, 2}
// CHECK: -> tensor<2xi32> // [-9, 27]
// CHECK: -> tensor<2xf32> // {0.5, 2}
// CHECK: -> tensor<2x2xi32> // [-81, 243]
// CHECK: -> tensor<4x4xf32> // {-1, 0, 0.5, 2}
// CHECK: -> tensor<4x8xf32> // {-1, 0, 0.5, 2}
func.func @sums() -> (tensor<2xi32>, tensor<2xf32>, tensor<2x2xi32>, tensor<4x8xf32>) {
  %0 = "graph.constant"() {value = dense<[[1, -3, 5], [9, 0, 2]]> : tensor<2x3xi8>} : () -> tensor<2x3xi8>
  %1 = "graph.constant"() {value = dense<[[0.5, -1.0, 2.0, 2.0], [0.5, 0.5, 2.0, -1.0]]> : tensor<2x4xf32>} : () -> tensor<2x4xf32>
  %2 = "graph.reduce"(%0) ({
  ^bb0(%a: i8):
    %3 = "loop.cast"(%a) : (i8) -> i32
    "graph.yield"(%3) : (i32) -> ()
  }, {
  ^bb0(%a: i32, %b: i32):
    %3 = "loop.add"(%a, %b) : (i32, i32) -> i32
    "graph.yield"(%3) : (i32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>], over = ["3"], init = [0 : i64]} : (tensor<2x3xi8>) -> tensor<2xi32>
  %4 = "graph.reduce"(%1) ({
  ^bb0(%a: f32):
    %5 = "loop.constant"() {value = 0.0 : f64} : () -> f32
    %6 = "loop.constant"() {value = 0.5 : f64} : () -> f32
    %7 = "loop.lt"(%a, %5) : (f32, f32) -> i1
    %8 = "loop.select"(%7, %6, %a) : (i1, f32, f32) -> f32
    "graph.yield"(%8) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %5 = "loop.max"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%5) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>], over = ["4"], init = [0xFFF0000000000000 : f64]} : (tensor<2x4xf32>) -> tensor<2xf32>
  %9 = "graph.matmul"(%0, %0) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>], over = ["3"], kinds = ["m", "n", "k"]} : (tensor<2x3xi8>, tensor<2x3xi8>) -> tensor<2x2xi32>
  %10 = "graph.map"(%1) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0 - 1, d1)>], pads = [0.0 : f64]} : (tensor<2x4xf32>) -> tensor<4x4xf32>
  %11 = "graph.concat"(%10, %10) {axis = 1} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x8xf32>
  func.return %2, %4, %9, %11 : tensor<2xi32>, tensor<2xf32>, tensor<2x2xi32>, tensor<4x8xf32>
}

// Bytes saturate where they are quantised, and wrap where they are added; squares are not negative.
// CHECK-LABEL: @types
// CHECK: -> tensor<4xui8> // [0, 255]
// CHECK: -> tensor<4xui8> // [118, 138]
// CHECK: -> tensor<4xi8> // [-128, 127]
// CHECK: -> tensor<4xi16> // [-256, 254]
// CHECK: -> tensor<4xf32> // [0, inf] or NaN
// CHECK: -> tensor<4xf16> // [-1, inf] or NaN
func.func @types(%x: tensor<4xf32>, %i: tensor<4xi8>) -> (tensor<4xui8>, tensor<4xui8>, tensor<4xi8>, tensor<4xi16>, tensor<4xf32>, tensor<4xf16>) {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %s = "loop.constant"() {value = 0.1 : f64} : () -> f32
    %z = "loop.constant"() {value = 128 : i64} : () -> ui8
    %q = "loop.quantize"(%a, %s, %z) : (f32, f32, ui8) -> ui8
    "graph.yield"(%q) : (ui8) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xui8>
  %1 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %s = "loop.constant"() {value = 0.1 : f64} : () -> f32
    %z = "loop.constant"() {value = 128 : i64} : () -> ui8
    %t = "loop.erf"(%a) : (f32) -> f32
    %e = "loop.eq"(%t, %t) : (f32, f32) -> i1
    %f = "loop.select"(%e, %t, %s) : (i1, f32, f32) -> f32
    %q = "loop.quantize"(%f, %s, %z) : (f32, f32, ui8) -> ui8
    "graph.yield"(%q) : (ui8) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xui8>
  %2 = "graph.map"(%i) ({
  ^bb0(%a: i8):
    %s = "loop.add"(%a, %a) : (i8, i8) -> i8
    "graph.yield"(%s) : (i8) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xi8>) -> tensor<4xi8>
  %3 = "graph.map"(%i) ({
  ^bb0(%a: i8):
    %w = "loop.cast"(%a) : (i8) -> i16
    %s = "loop.add"(%w, %w) : (i16, i16) -> i16
    "graph.yield"(%s) : (i16) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xi8>) -> tensor<4xi16>
  %4 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %s = "loop.mul"(%a, %a) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  %5 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %o = "loop.constant"() {value = -1.0 : f64} : () -> f32
    %s = "loop.max"(%a, %o) : (f32, f32) -> f32
    %n = "loop.cast"(%s) : (f32) -> f16
    "graph.yield"(%n) : (f16) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf16>
  func.return %0, %1, %2, %3, %4, %5 : tensor<4xui8>, tensor<4xui8>, tensor<4xi8>, tensor<4xi16>, tensor<4xf32>, tensor<4xf16>
}

// Behind a branch is what either gives; a loop's turn may begin with anything, so what it yields is right for all, and behind it is that or
// what it began with.
// CHECK-LABEL: @flow
// CHECK: -> tensor<3xf32> // {1, 2, 3}
// CHECK: -> tensor<2xf32> // {4, 7}
// CHECK: -> tensor<?xf32, {dims = ["v_n0"]}> // [1, 7]
// CHECK: -> tensor<3xf32> // [0, inf] or NaN
// CHECK: -> (tensor<3xf32>, tensor<5x3xf32>) // [0, inf] or NaN; {1, 2, 3}
func.func @flow(%c: tensor<i1>) -> (tensor<?xf32, {dims = ["v_n0"]}>, tensor<3xf32>, tensor<5x3xf32>) {
  %k = "graph.constant"() {value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %l = "graph.constant"() {value = dense<[4.0, 7.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %y = "graph.if"(%c) ({
    "graph.yield"(%k) : (tensor<3xf32>) -> ()
  }, {
    "graph.yield"(%l) : (tensor<2xf32>) -> ()
  }) {symbols = ["v_n0"]} : (tensor<i1>) -> tensor<?xf32, {dims = ["v_n0"]}>
  %a, %s = "graph.loop"(%k) ({
  ^bb0(%v: tensor<3xf32>):
    %w = "graph.map"(%v) ({
    ^bb0(%e: f32):
      %p = "loop.exp"(%e) : (f32) -> f32
      "graph.yield"(%p) : (f32) -> ()
    }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<3xf32>) -> tensor<3xf32>
    "graph.yield"(%w, %k) : (tensor<3xf32>, tensor<3xf32>) -> ()
  }) {counter = "v_n1", extent = "5"} : (tensor<3xf32>) -> (tensor<3xf32>, tensor<5x3xf32>)
  func.return %y, %a, %s : tensor<?xf32, {dims = ["v_n0"]}>, tensor<3xf32>, tensor<5x3xf32>
}
