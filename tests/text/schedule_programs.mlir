// RUN: dsc opt --cpu=x86-64-v3 --stop-after=schedule %s | FileCheck %s

// How kernels are computed: what each program writes down, and what decides.
// -----
// A map whose points follow each other in memory has one dim; pieces are ranges of it, in whole vectors.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d0", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<40x1000xf32>) -> tensor<40x1000xf32> {
  %0 = "onnx.Tanh"(%x) : (tensor<40x1000xf32>) -> none
  func.return %0 : none
}
// -----
// Fewer points than two pieces would need: one piece.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = 32, tail = "guard"}
// CHECK-SAME: {axis = "d0", kind = "lane", step = 8, tail = "mask"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<30xf32>) -> tensor<30xf32> {
  %0 = "onnx.Relu"(%x) : (tensor<30xf32>) -> none
  func.return %0 : none
}
// -----
// One point has no loops.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = []
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %0 = "onnx.Relu"(%x) : (tensor<f32>) -> none
  func.return %0 : none
}
// -----
// An operand that is broadcast keeps the dims apart: pieces are points of the first one, lanes walk the last.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<40x1000xf32>, %z: tensor<40x1xf32>) -> tensor<40x1000xf32> {
  %0 = "onnx.Add"(%x, %z) : (tensor<40x1000xf32>, tensor<40x1xf32>) -> none
  func.return %0 : none
}
// -----
// Extents that are not known: lanes are masked at the end.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", step = 8, tail = "mask"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<?x?xf32, {dims = ["n", "c"]}>, %z: tensor<?xf32, {dims = ["c"]}>) -> tensor<?x?xf32, {dims = ["n", "c"]}> {
  %0 = "onnx.Add"(%x, %z) : (tensor<?x?xf32, {dims = ["n", "c"]}>, tensor<?xf32, {dims = ["c"]}>) -> none
  func.return %0 : none
}
// -----
// A transposed operand: lanes walk the result's last dim, and inside them a loop the one along which the operand is
// contiguous. Pieces are ranges of that one, as there are few points before it.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d1", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d2", kind = "lane", step = 8, tail = "mask"}
// CHECK-SAME: {axis = "d1", kind = "serial", step = 1, tail = "exact"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<2x90x64xf32>) -> tensor<2x64x90xf32> {
  %0 = "onnx.Transpose"(%x) {perm = [0, 2, 1]} : (tensor<2x90x64xf32>) -> none
  func.return %0 : none
}
// -----
// Many points before the last two dims: pieces are points of those.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d2", kind = "lane", step = 8, tail = "mask"}
// CHECK-SAME: {axis = "d1", kind = "serial", step = 1, tail = "exact"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<48x20x24xf32>) -> tensor<48x24x20xf32> {
  %0 = "onnx.Transpose"(%x) {perm = [0, 2, 1]} : (tensor<48x20x24xf32>) -> none
  func.return %0 : none
}
// -----
// A long sum along what lies together: lanes walk what is reduced, in four sums side by side.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<12x2000xf32>) -> tensor<12xf32> {
  %a = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceSum"(%x, %a) {keepdims = 0} : (tensor<12x2000xf32>, none) -> none
  func.return %0 : none
}
// -----
// A short one has one sum.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<12x40xf32>) -> tensor<12xf32> {
  %a = "onnx.Constant"() {value = dense<[1]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceSum"(%x, %a) {keepdims = 0} : (tensor<12x40xf32>, none) -> none
  func.return %0 : none
}
// -----
// A sum of columns: lanes walk the columns, each its own.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d0", kind = "lane", step = 8, tail = "mask"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<300x50xf32>) -> tensor<50xf32> {
  %a = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %0 = "onnx.ReduceSum"(%x, %a) {keepdims = 0} : (tensor<300x50xf32>, none) -> none
  func.return %0 : none
}
// -----
// Arg-max: the largest of a row, then its place, by kernels that share rows; the largest has room in scratch.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = 1, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 0, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 1, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 1, step = 4, tail = "guard"}
// CHECK-SAME: {level = 0, op = 0, space = "scratch"}
// CHECK-SAME: program = "rows"
func.func @main(%x: tensor<12x2000xf32>) -> tensor<12xi64> {
  %0 = "onnx.ArgMax"(%x) {axis = 1, keepdims = 0} : (tensor<12x2000xf32>) -> none
  func.return %0 : none
}
// -----
// A concat says how many copies a piece is, about.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "copies", kind = "grid", step = 8000, tail = "guard"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<40x300xf32>, %z: tensor<40x20xf32>) -> tensor<40x320xf32> {
  %0 = "onnx.Concat"(%x, %z) {axis = 1} : (tensor<40x300xf32>, tensor<40x20xf32>) -> none
  func.return %0 : none
}
// -----
// Numbers that are extents have no loops.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = []
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<?x5xf32, {dims = ["n", ""]}>) -> tensor<2xi64> {
  %0 = "onnx.Shape"(%x) : (tensor<?x5xf32, {dims = ["n", ""]}>) -> none
  func.return %0 : none
}
// -----
// A product of one row: the widest tile, and nothing fetched ahead, since every weight is used once.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "grid", kind = "serial", step = 2, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 1, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 48, tail = "guard"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<1x128xf32>) -> tensor<1x256xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<128x256xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<1x128xf32>, none) -> none
  func.return %0 : none
}
// -----
// Many rows: a tile of 6 x 16, which hides the latency of multiply-adds; 96 is a multiple of 6.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<96x64xf32>) -> tensor<96x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<96x64xf32>, none) -> none
  func.return %0 : none
}
// -----
// Rows and columns that tiles do not divide: a shorter tile at the end, lanes masked there.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "mask"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<100x64xf32>) -> tensor<100x50xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x50xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<100x64xf32>, none) -> none
  func.return %0 : none
}
// -----
// Columns in whole vectors, not in whole tiles: a narrower tile at the end.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "guard"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<96x64xf32>) -> tensor<96x200xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x200xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<96x64xf32>, none) -> none
  func.return %0 : none
}
// -----
// Rows whose number is not known: the last tile repeats the last row.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "repeat"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<?x64xf32, {dims = ["n", ""]}>) -> tensor<?x64xf32, {dims = ["n", ""]}> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x64xf32, {dims = ["n", ""]}>, none) -> none
  func.return %0 : none
}
// -----
// An epilogue is computed on the tile, in registers.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: {level = 4, op = 0, space = "registers"}
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<96x64xf32>) -> tensor<96x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<96x64xf32>, none) -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<64xf32>} : () -> none
  %1 = "onnx.Add"(%0, %b) : (none, none) -> none
  %2 = "onnx.Relu"(%1) : (none) -> none
  func.return %2 : none
}
// -----
// Behind a kernel's own weights lie those of the next one: its tiles fetch the first of them, too.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "exact"}
// CHECK-SAME: {axis = "grid", kind = "serial", step = 2, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<96x64xf32>, %y: tensor<96x96xf32>) -> tensor<96x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x64xf32>} : () -> none
  %v = "onnx.Constant"() {value = dense<0.5> : tensor<96x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<96x64xf32>, none) -> none
  %1 = "onnx.MatMul"(%y, %v) : (tensor<96x96xf32>, none) -> none
  %2 = "onnx.Add"(%0, %1) : (none, none) -> none
  func.return %2 : none
}
// -----
// Weights that do not fit half the L2 cache: groups of rows go over the same columns before all go on.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<2048x768xf32>) -> tensor<2048x768xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<768x768xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<2048x768xf32>, none) -> none
  func.return %0 : none
}
// -----
// As many rows as there are over the same columns: n comes first.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "n", kind = "grid", step = {{[0-9]+}}, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: prefetch = {lines = 1}
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<96x768xf32>) -> tensor<96x3072xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<768x3072xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<96x768xf32>, none) -> none
  func.return %0 : none
}
// -----
// A batch of small products: a thread does some pieces in a row.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = 8, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "grid", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "grid", kind = "serial", step = 32, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 4, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: program = "tile"
func.func @main(%x: tensor<64x8x16xf32>, %z: tensor<64x16x16xf32>) -> tensor<64x8x16xf32> {
  %0 = "onnx.MatMul"(%x, %z) : (tensor<64x8x16xf32>, tensor<64x16x16xf32>) -> none
  func.return %0 : none
}
// -----
// Products of another element type have no tile: they are reductions.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: program = "points"
func.func @main(%x: tensor<20x32xi32>, %z: tensor<32x40xi32>) -> tensor<20x40xi32> {
  %0 = "onnx.MatMul"(%x, %z) : (tensor<20x32xi32>, tensor<32x40xi32>) -> none
  func.return %0 : none
}
// -----
// A depthwise convolution: results of a row side by side; the last tile of a row overlaps the one before; the window
// is written out.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d2", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: {axis = "d3", kind = "tile", step = 11, tail = "overlap"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 9, tail = "exact"}
// CHECK-SAME: program = "window"
func.func @main(%x: tensor<1x32x20x22xf32>) -> tensor<1x32x20x22xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<32x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 32, pads = [1, 1, 1, 1]} : (tensor<1x32x20x22xf32>, none) -> none
  func.return %0 : none
}
// -----
// Few rows of many channels: pieces are channels.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d1", kind = "grid", step = 32, tail = "guard"}
// CHECK-SAME: {axis = "grid", kind = "serial", step = 3, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: {axis = "d3", kind = "tile", step = 10, tail = "overlap"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 9, tail = "exact"}
// CHECK-SAME: program = "window"
func.func @main(%x: tensor<1x480x4x10xf32>) -> tensor<1x480x4x10xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<480x1x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {group = 480, pads = [1, 1, 1, 1]} : (tensor<1x480x4x10xf32>, none) -> none
  func.return %0 : none
}
// -----
// A pool between convolutions: two rows of results share what they read.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d2", kind = "grid", step = {{[0-9]+}}, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", step = 8, tail = "exact"}
// CHECK-SAME: {axis = "d2", kind = "tile", step = 2, tail = "guard"}
// CHECK-SAME: {axis = "d3", kind = "tile", step = 6, tail = "overlap"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 25, tail = "exact"}
// CHECK-SAME: program = "window"
func.func @main(%x: tensor<1x16x24x24xf32>) -> tensor<1x16x24x24xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<16x16x1x1xf32>} : () -> none
  %a = "onnx.Conv"(%x, %w) : (tensor<1x16x24x24xf32>, none) -> none
  %b = "onnx.MaxPool"(%a) {kernel_shape = [5, 5], pads = [2, 2, 2, 2]} : (none) -> none
  %c = "onnx.Conv"(%b, %w) : (none, none) -> none
  func.return %c : none
}
// -----
// Winograd's algorithm: blocks of tiles, whose transforms lie in one thread's memory; the last register tile repeats
// its last row.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "m", kind = "grid", step = 6, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "serial", step = 6, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", step = 6, tail = "repeat"}
// CHECK-SAME: {axis = "n", kind = "tile", step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: {level = 1, op = 0, space = "scratch"}
// CHECK-SAME: program = "winograd"
func.func @main(%x: tensor<1x64x40x40xf32>) -> tensor<1x64x40x40xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x64x3x3xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %w) {pads = [1, 1, 1, 1]} : (tensor<1x64x40x40xf32>, none) -> none
  func.return %0 : none
}
// -----
// Softmax: the ops share rows; what flows between them has room for one row.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = 10, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 0, step = 8, tail = "mask"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 1, step = 8, tail = "mask"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 2, step = 8, tail = "mask"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 2, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 4, step = 8, tail = "mask"}
// CHECK-SAME: {level = 0, op = 0, space = "scratch"}
// CHECK-SAME: {level = 0, op = 1, space = "scratch"}
// CHECK-SAME: {level = 0, op = 2, space = "scratch"}
// CHECK-SAME: {level = 0, op = 3, space = "scratch"}
// CHECK-SAME: program = "rows"
func.func @main(%x: tensor<60x100xf32>) -> tensor<60x100xf32> {
  %0 = "onnx.Softmax"(%x) : (tensor<60x100xf32>) -> none
  func.return %0 : none
}
// -----
// A long row needs no room of its own: it lies in the result's place.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = 1, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 0, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 1, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 2, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 2, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 4, step = 8, tail = "exact"}
// CHECK-SAME: {level = 0, op = 0, space = "scratch"}
// CHECK-SAME: {level = 0, op = 1, space = "result"}
// CHECK-SAME: {level = 0, op = 2, space = "scratch"}
// CHECK-SAME: {level = 0, op = 3, space = "scratch"}
// CHECK-SAME: program = "rows"
func.func @main(%x: tensor<60x4096xf32>) -> tensor<60x4096xf32> {
  %0 = "onnx.Softmax"(%x) : (tensor<60x4096xf32>) -> none
  func.return %0 : none
}
// -----
// Attention: a block of rows goes through both products; scores lie in scratch, the scale is applied in registers.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d2", kind = "grid", step = 48, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 0, step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 0, step = 16, tail = "guard"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 2, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 2, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d3", kind = "lane", op = 3, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "lane", op = 4, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "k0", kind = "unroll", op = 4, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 6, step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 6, step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 6, step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: {level = 0, op = 0, space = "registers"}
// CHECK-SAME: {level = 0, op = 1, space = "scratch"}
// CHECK-SAME: {level = 0, op = 2, space = "scratch"}
// CHECK-SAME: {level = 0, op = 3, space = "scratch"}
// CHECK-SAME: {level = 0, op = 4, space = "scratch"}
// CHECK-SAME: {level = 0, op = 5, space = "scratch"}
// CHECK-SAME: {level = 0, op = 6, space = "registers"}
// CHECK-SAME: program = "blocks"
func.func @main(%x: tensor<1x4x200x32xf32>, %k: tensor<1x4x32x200xf32>, %v: tensor<1x4x200x32xf32>) -> tensor<1x4x200x32xf32> {
  %h = "onnx.Constant"() {value = dense<0.5> : tensor<1xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %k) : (tensor<1x4x200x32xf32>, tensor<1x4x32x200xf32>) -> none
  %1 = "onnx.Mul"(%0, %h) : (none, none) -> none
  %2 = "onnx.Softmax"(%1) : (none) -> none
  %3 = "onnx.MatMul"(%2, %v) : (none, tensor<1x4x200x32xf32>) -> none
  func.return %3 : none
}
// -----
// Two products with a map between them whose weights fit the cache while what lies between them does not.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = 72, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 0, step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 0, step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 2, step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 2, step = 16, tail = "guard"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 2, step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: {level = 0, op = 0, space = "registers"}
// CHECK-SAME: {level = 0, op = 1, space = "scratch"}
// CHECK-SAME: program = "blocks"
func.func @main(%x: tensor<4000x24xf32>) -> tensor<4000x24xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<24x400xf32>} : () -> none
  %v = "onnx.Constant"() {value = dense<0.5> : tensor<400x24xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4000x24xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.MatMul"(%1, %v) : (none, none) -> none
  func.return %2 : none
}
// -----
// A depthwise convolution of a large image and those around it: strips of rows, of which two stay for the next strip.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d2", kind = "grid", step = 28, tail = "guard"}
// CHECK-SAME: {axis = "d2", kind = "serial", step = 1, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 0, step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 0, step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 2, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "d3", kind = "tile", op = 2, step = 8, tail = "overlap"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 2, step = 9, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 4, step = 4, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 4, step = 16, tail = "guard"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 4, step = 4, tail = "guard"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: {level = 1, op = 0, space = "registers"}
// CHECK-SAME: {keep = 2, level = 1, op = 1, space = "scratch"}
// CHECK-SAME: {level = 1, op = 2, space = "registers"}
// CHECK-SAME: {level = 1, op = 3, space = "scratch"}
// CHECK-SAME: program = "strips"
func.func @main(%x: tensor<1x16x112x112xf32>) -> tensor<1x24x112x112xf32> {
  %a = "onnx.Constant"() {value = dense<0.5> : tensor<96x16x1x1xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<96x1x3x3xf32>} : () -> none
  %c = "onnx.Constant"() {value = dense<0.5> : tensor<24x96x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %a) : (tensor<1x16x112x112xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.Conv"(%1, %b) {group = 96, pads = [1, 1, 1, 1]} : (none, none) -> none
  %3 = "onnx.Relu"(%2) : (none) -> none
  %4 = "onnx.Conv"(%3, %c) : (none, none) -> none
  func.return %4 : none
}
// -----
// With stride 2 one row stays; without the last convolution the window gives the result.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d2", kind = "grid", step = 7, tail = "guard"}
// CHECK-SAME: {axis = "d2", kind = "serial", step = 1, tail = "guard"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 0, step = 6, tail = "guard"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 0, step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 2, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "d3", kind = "tile", op = 2, step = 8, tail = "overlap"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 2, step = 9, tail = "exact"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: {level = 1, op = 0, space = "registers"}
// CHECK-SAME: {keep = 1, level = 1, op = 1, space = "scratch"}
// CHECK-SAME: program = "strips"
func.func @main(%x: tensor<1x16x112x112xf32>) -> tensor<1x96x56x56xf32> {
  %a = "onnx.Constant"() {value = dense<0.5> : tensor<96x16x1x1xf32>} : () -> none
  %b = "onnx.Constant"() {value = dense<0.5> : tensor<96x1x3x3xf32>} : () -> none
  %c = "onnx.Constant"() {value = dense<0.5> : tensor<24x96x1x1xf32>} : () -> none
  %0 = "onnx.Conv"(%x, %a) : (tensor<1x16x112x112xf32>, none) -> none
  %1 = "onnx.Relu"(%0) : (none) -> none
  %2 = "onnx.Conv"(%1, %b) {group = 96, pads = [1, 1, 1, 1], strides = [2, 2]} : (none, none) -> none
  func.return %2 : none
}
// -----
// A recurrent network: each direction goes through all turns by itself.
// CHECK-LABEL: func.func @main
// CHECK: schedule = {levels = [{axis = "d0", kind = "grid", step = 1, tail = "exact"}
// CHECK-SAME: {axis = "turn", kind = "serial", step = 1, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 0, step = 1, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 0, step = 48, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 0, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 1, step = 8, tail = "exact"}
// CHECK-SAME: {axis = "m", kind = "tile", op = 2, step = 1, tail = "exact"}
// CHECK-SAME: {axis = "n", kind = "tile", op = 2, step = 16, tail = "exact"}
// CHECK-SAME: {axis = "k", kind = "unroll", op = 2, step = 4, tail = "guard"}
// CHECK-SAME: {axis = "d1", kind = "lane", op = 3, step = 8, tail = "exact"}
// CHECK-SAME: mma = "fma_f32"
// CHECK-SAME: program = "turns"
func.func @main(%x: tensor<9x1x8xf32>) -> tensor<9x2x1x16xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<2x48x8xf32>} : () -> none
  %r = "onnx.Constant"() {value = dense<0.5> : tensor<2x48x16xf32>} : () -> none
  %0, %1 = "onnx.GRU"(%x, %w, %r) {hidden_size = 16, direction = "bidirectional"} : (tensor<9x1x8xf32>, none, none) -> (none, none)
  func.return %0 : none
}
