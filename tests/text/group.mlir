// RUN: dsc opt --passes=group,schedule %s | FileCheck %s

// The map that reads a product point by point is its epilogue: one kernel.
// CHECK-LABEL: @epilogue
// CHECK-COUNT-1: "graph.kernel"
// CHECK-NOT: "graph.kernel"
func.func @epilogue(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %0 = "graph.matmul"(%x, %w) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["8"]} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  %1 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %z = "loop.constant"() {value = 0.0 : f64} : () -> f32
    %m = "loop.max"(%a, %z) : (f32, f32) -> f32
    "graph.yield"(%m) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<4x16xf32>) -> tensor<4x16xf32>
  func.return %1 : tensor<4x16xf32>
}

// Softmax over rows of unknown length: a reduction and what follows share the loop over rows.
// CHECK-LABEL: @rows
// CHECK-COUNT-1: "graph.kernel"
// CHECK: levels = [{axis = "d0", kind = "grid", {{.*}} program = "rows"
// CHECK-NOT: "graph.kernel"
func.func @rows(%x: tensor<?x8xf32, {dims = ["n", ""]}>) -> tensor<?x8xf32, {dims = ["n", ""]}> {
  %0 = "graph.reduce"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %s = "loop.add"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>], over = ["8"], init = [0.0 : f64]} : (tensor<?x8xf32, {dims = ["n", ""]}>) -> tensor<?x1xf32, {dims = ["n", ""]}>
  %1 = "graph.map"(%x, %0) ({
  ^bb0(%a: f32, %b: f32):
    %d = "loop.div"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%d) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, 0)>]} : (tensor<?x8xf32, {dims = ["n", ""]}>, tensor<?x1xf32, {dims = ["n", ""]}>) -> tensor<?x8xf32, {dims = ["n", ""]}>
  func.return %1 : tensor<?x8xf32, {dims = ["n", ""]}>
}

// A map whose region reads the group's value stays behind the group, so what follows it cannot join.
// CHECK-LABEL: @read_by_a_region
// CHECK: %[[SUM:.*]] = "graph.kernel"
// CHECK: "graph.kernel"(%{{.*}}, %[[SUM]])
// CHECK: "graph.extract"
// CHECK: "graph.kernel"(%[[SUM]])
func.func @read_by_a_region(%x: tensor<4x8xf32>, %i: tensor<4xi64>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "graph.reduce"(%x) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %s = "loop.add"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%s) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1) -> (d0, d1)>], over = ["8"], init = [0.0 : f64]} : (tensor<4x8xf32>) -> tensor<4xf32>
  %1 = "graph.map"(%i) ({
  ^bb0(%a: i64):
    %at = "loop.cast"(%a) : (i64) -> index
    %e = "graph.extract"(%0, %at) : (tensor<4xf32>, index) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xi64>) -> tensor<4xf32>
  %2 = "graph.map"(%0) ({
  ^bb0(%a: f32):
    %e = "loop.exp"(%a) : (f32) -> f32
    "graph.yield"(%e) : (f32) -> ()
  }) {maps = [affine_map<(d0) -> (d0)>]} : (tensor<4xf32>) -> tensor<4xf32>
  func.return %1, %2 : tensor<4xf32>, tensor<4xf32>
}

// A loop whose first dim goes through the turns by itself is one kernel.
// CHECK-LABEL: @turns
// CHECK: "graph.kernel"(%arg0, %arg1)
// CHECK: "graph.loop"
// CHECK-NOT: "graph.kernel"
// CHECK: levels = [{axis = "d0", kind = "grid", step = 1, tail = "exact"}, {axis = "turn", {{.*}} program = "turns"
func.func @turns(%x: tensor<2x3x8xf32>, %w: tensor<2x8x8xf32>) -> tensor<5x2x3x8xf32> {
  %0, %1 = "graph.loop"(%x) ({
  ^bb0(%h: tensor<2x3x8xf32>):
    %2 = "graph.matmul"(%h, %w) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>], over = ["8"]} : (tensor<2x3x8xf32>, tensor<2x8x8xf32>) -> tensor<2x3x8xf32>
    "graph.yield"(%2, %2) : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> ()
  }) {counter = "t", extent = "5"} : (tensor<2x3x8xf32>) -> (tensor<2x3x8xf32>, tensor<5x2x3x8xf32>)
  func.return %1 : tensor<5x2x3x8xf32>
}

// Here the two are mixed: a loop of the plan.
// CHECK-LABEL: @mixed
// CHECK: "graph.loop"
// CHECK: "graph.kernel"
// CHECK: program = "
func.func @mixed(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %0 = "graph.loop"(%x) ({
  ^bb0(%h: tensor<2x8xf32>):
    %2 = "graph.map"(%h) ({
    ^bb0(%a: f32):
      %e = "loop.neg"(%a) : (f32) -> f32
      "graph.yield"(%e) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (1 - d0, d1)>]} : (tensor<2x8xf32>) -> tensor<2x8xf32>
    "graph.yield"(%2) : (tensor<2x8xf32>) -> ()
  }) {counter = "t", extent = "5"} : (tensor<2x8xf32>) -> (tensor<2x8xf32>)
  func.return %0 : tensor<2x8xf32>
}

// A pool of a large image takes rows of it while they are in the cache.
// CHECK-LABEL: @pooled
// CHECK-COUNT-1: "graph.kernel"
// CHECK: {axis = "d2", kind = "serial", step = {{[1-8]}}, {{.*}} program = "strips"
// CHECK-NOT: "graph.kernel"
func.func @pooled(%x: tensor<1x8x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, %w: tensor<64x8x1x1xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>) -> tensor<1x64x80x80xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> {
  %0 = "graph.conv"(%x, %w) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5, d3 + d6)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["8", "1", "1"]} : (tensor<1x8x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<64x8x1x1xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>) -> tensor<1x64x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  %1 = "graph.reduce"(%0) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %m = "loop.max"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%m) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4, d3 * 2 + d5)>], over = ["2", "2"], pads = [0xFFF0000000000000 : f64], init = [0xFFF0000000000000 : f64]} : (tensor<1x64x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x64x80x80xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  func.return %1 : tensor<1x64x80x80xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
}

// The first row of windows lies outside the image altogether.
// CHECK-LABEL: @pooled_outside
// CHECK-NOT: program = "strips"
func.func @pooled_outside(%x: tensor<1x8x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, %w: tensor<64x8x1x1xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>) -> tensor<1x64x80x80xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> {
  %0 = "graph.conv"(%x, %w) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5, d3 + d6)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["8", "1", "1"]} : (tensor<1x8x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<64x8x1x1xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>) -> tensor<1x64x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  %1 = "graph.reduce"(%0) ({
  ^bb0(%a: f32):
    "graph.yield"(%a) : (f32) -> ()
  }, {
  ^bb0(%a: f32, %b: f32):
    %m = "loop.max"(%a, %b) : (f32, f32) -> f32
    "graph.yield"(%m) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4 - 2, d3 * 2 + d5)>], over = ["2", "2"], pads = [0xFFF0000000000000 : f64], init = [0xFFF0000000000000 : f64]} : (tensor<1x64x160x160xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<1x64x80x80xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
  func.return %1 : tensor<1x64x80x80xf32, {map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>
}

// Products and a softmax between them are one kernel where tiles can load the columns of both right operands: here the
// first one's lie across, as nothing has laid them out, so that it stays alone.
// CHECK-LABEL: @across
// CHECK: "graph.kernel"(%arg0, %arg1)
// CHECK: "graph.matmul"
// CHECK-NOT: "graph.matmul"
// CHECK: program = "points"
// CHECK: "graph.matmul"
// CHECK: program = "tile"
func.func @across(%q: tensor<2x5x8xf32>, %k: tensor<2x9x8xf32>, %v: tensor<2x9x16xf32>) -> tensor<2x5x16xf32> {
  %s = "graph.matmul"(%q, %k) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>], over = ["8"]} : (tensor<2x5x8xf32>, tensor<2x9x8xf32>) -> tensor<2x5x9xf32>
  %n = "graph.reduce"(%s) ({
  ^bb0(%x: f32):
    "graph.yield"(%x) : (f32) -> ()
  }, {
  ^bb0(%x: f32, %y: f32):
    %m = "loop.add"(%x, %y) : (f32, f32) -> f32
    "graph.yield"(%m) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>], over = ["9"], init = [0.0]} : (tensor<2x5x9xf32>) -> tensor<2x5xf32>
  %p = "graph.map"(%s, %n) ({
  ^bb0(%x: f32, %y: f32):
    %m = "loop.div"(%x, %y) : (f32, f32) -> f32
    "graph.yield"(%m) : (f32) -> ()
  }) {maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>]} : (tensor<2x5x9xf32>, tensor<2x5xf32>) -> tensor<2x5x9xf32>
  %r = "graph.matmul"(%p, %v) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>], over = ["9"]} : (tensor<2x5x9xf32>, tensor<2x9x16xf32>) -> tensor<2x5x16xf32>
  func.return %r : tensor<2x5x16xf32>
}
