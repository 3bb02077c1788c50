// RUN: dsc opt --passes=join %s | FileCheck %s

// Two maps write their halves of one buffer; nothing is copied.
// CHECK-LABEL: @side_by_side
// CHECK: "graph.map"(%arg0)
// CHECK: within = [12, 0, 0]
// CHECK: "graph.map"(%arg0)
// CHECK: within = [12, 4, 0]
// CHECK-NOT: "graph.concat"
// CHECK: "graph.join"(%{{[^,]*}}, %{{[^)]*}}) {id = 0}
func.func @side_by_side(%x: tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>]} : (tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  %1 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.neg"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1 floordiv 2, d2, d3)>]} : (tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  %2 = "graph.concat"(%0, %1) {axis = 1} : (tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  func.return %2 : tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
}

// What comes from outside cannot be written there: it is copied.
// CHECK-LABEL: @from_outside
// CHECK: "graph.map"(%arg0)
// CHECK: within = [8, 0, 1]
// CHECK: "graph.map"(%arg0)
// CHECK: within = [8, 4, 1]
// CHECK: "graph.join"
func.func @from_outside(%x: tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> {
  %0 = "graph.concat"(%x, %x) {axis = 1} : (tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<1x4x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  func.return %0 : tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
}

// A range of the channels of what a kernel makes is a part of its buffer.
// CHECK-LABEL: @range
// CHECK: "graph.map"(%arg0)
// CHECK: within = [12, 0, 2]
// CHECK-NOT: "graph.map"
// CHECK: "graph.join"(%{{.*}}) {id = 2} : {{.*}} -> tensor<1x8x3x3xf32, {{.*}}within = [12, 4, 2]
// CHECK: "graph.reduce"
func.func @range(%x: tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x8xf32> {
  %0 = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>]} : (tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  %1 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1 + 4, d2, d3)>]} : (tensor<1x12x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  %2 = "graph.reduce"(%1) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %s = "loop.add"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], over = ["3", "3"], init = [0.0 : f64]} : (tensor<1x8x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x8xf32>
  func.return %2 : tensor<1x8xf32>
}
