// RUN: not dsc opt --cpu=x86-64-v3 %s 2>&1 | FileCheck %s

// Schedules that cannot be obeyed, or are none: one sentence says why.
// -----
// There is a table of programs.
// CHECK: error: graph.kernel: the kernel cannot be computed so: no program is called 'tiles' [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tiles", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A program is for some kernels.
// CHECK: error: graph.kernel: the kernel cannot be computed so: the kernel is not a product with a tiled form [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// There are names for kinds of levels.
// CHECK: error: graph.kernel: kind cannot be 'vector' [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "vector", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Steps are numbers from 1 on.
// CHECK: error: graph.kernel: there is no good integer for 'step' [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 0, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Nothing is written that nobody reads.
// CHECK: error: graph.kernel: there is no key 'stages' [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}], stages = 2}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A schedule names its program.
// CHECK: error: graph.kernel: there is no text for 'program' [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {levels = []}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Lanes walk what lies together.
// CHECK: error: graph.kernel: the kernel cannot be computed so: lanes walk the result's last dim, or the last one that is reduced [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "k0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Vectors have as many lanes as the instructions have.
// CHECK: error: graph.kernel: the kernel cannot be computed so: item 1 of 'levels' can only be {axis = "d0", kind = "lane", step = 8, tail = "exact"} [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 16, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Pieces along the lanes are whole vectors.
// CHECK: error: graph.kernel: the kernel cannot be computed so: a piece has whole vectors [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 12, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A map has no sums to keep side by side.
// CHECK: error: graph.kernel: the kernel cannot be computed so: sums side by side need lanes along what is reduced [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"},
    {axis = "d0", kind = "unroll", step = 4, tail = "guard"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A level too many.
// CHECK: error: graph.kernel: the kernel cannot be computed so: item 2 of 'levels' can only be nothing [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"},
    {axis = "d1", kind = "block", step = 4, tail = "guard"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Columns of a tile are panels.
// CHECK: error: graph.kernel: the kernel cannot be computed so: a tile has 64 columns at most, in panels of 16 [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 24, tail = "exact"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Sums and what they are made of lie in registers.
// CHECK: error: graph.kernel: the kernel cannot be computed so: a tile of 8x32 takes more than 16 registers [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 40, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 8, tail = "exact"},
    {axis = "n", kind = "tile", step = 32, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A tail must fit the number of rows.
// CHECK: error: graph.kernel: the kernel cannot be computed so: the tail of the tile's rows does not fit their number [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "mask"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Pieces have whole tiles.
// CHECK: error: graph.kernel: the kernel cannot be computed so: a piece has rows of whole tiles [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 10, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// The grid of a product has three orders.
// CHECK: error: graph.kernel: the kernel cannot be computed so: the grid of a product has the levels m and n, n and m, or m, n and m [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Nothing is fetched ahead where weights do not lie in panels.
// CHECK: error: graph.kernel: the kernel cannot be computed so: nothing can be fetched ahead: extents are not known, or k is not unrolled [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32", prefetch = {lines = 1}}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// There is a table of multiply-adds.
// CHECK: error: graph.kernel: the kernel cannot be computed so: no multiply-add of this name is for these element types [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f64"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// An epilogue is computed on the tile, nowhere else.
// CHECK: error: graph.kernel: the kernel cannot be computed so: item 0 of 'place' can only be {level = 4, op = 0, space = "registers"} [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    %q = "graph.map"(%p) ({
    ^bb0(%s: f32):
      %r = "loop.abs"(%s) : (f32) -> f32
      "graph.yield"(%r) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%q) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32",
    place = [{op = 0, level = 4, space = "scratch"}]}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// It must read the product at its own points.
// CHECK: error: graph.kernel: the kernel cannot be computed so: the kernel is not a product with a tiled form [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    %q = "graph.map"(%p) ({
    ^bb0(%s: f32):
      %r = "loop.abs"(%s) : (f32) -> f32
      "graph.yield"(%r) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (-d0 + 39, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%q) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "n", kind = "grid", step = 32, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A kernel gives what it makes, once.
// CHECK: error: graph.kernel: the kernel cannot be computed so: the kernel gives a value twice [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>) {
  %0, %1 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n, %n) : (tensor<40x24xf32>, tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>)
  func.return %0, %1 : tensor<40x24xf32>, tensor<40x24xf32>
}
}
// -----
// What moves nothing is no part of a kernel.
// CHECK: error: graph.kernel: the kernel cannot be computed so: 'graph.reshape' cannot stand in a kernel [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<24x40xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.reshape"(%a) : (tensor<40x24xf32>) -> tensor<24x40xf32>
    "graph.yield"(%n) : (tensor<24x40xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<24x40xf32>
  func.return %0 : tensor<24x40xf32>
}
}
// -----
// A kernel without a schedule is not lowered.
// CHECK: error: graph.kernel: the kernel has no schedule [DS0121]
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// What no program knows is said by the pass that asks them.
// CHECK: error: graph.kernel: no program computes the kernel: 'graph.reshape' cannot stand in a kernel [DS0121]
module attributes {ds.after = "group"} {
func.func @main(%x: tensor<40x24xf32>) -> tensor<24x40xf32> {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.reshape"(%a) : (tensor<40x24xf32>) -> tensor<24x40xf32>
    "graph.yield"(%n) : (tensor<24x40xf32>) -> ()
  }) : (tensor<40x24xf32>) -> tensor<24x40xf32>
  func.return %0 : tensor<24x40xf32>
}
}
