// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// What is written on a kernel is done.
// -----
// A kernel that has a schedule keeps it, though another one would be chosen.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: pieces = "15"
// CHECK-SAME: step = 64
module attributes {ds.after = "group"} {
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
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Without a lane level points are computed one by one.
// CHECK-LABEL: func.func @k0
// CHECK-NOT: vector
// CHECK-LABEL: func.func @main
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
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Rows of a tile are those of the schedule: 4 x 16, and 4 x 8 at the end.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 4, columns = 2, lanes = 8
// CHECK: "loop.tile"({{.*}}) {rows = 4, columns = 1, lanes = 8
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
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A tile that does not divide the rows: a shorter one for the rest (guard).
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 6, columns = 2
// CHECK: "loop.tile"({{.*}}) {rows = 4, columns = 2
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 18, tail = "guard"},
    {axis = "n", kind = "grid", step = 16, tail = "guard"},
    {axis = "m", kind = "tile", step = 6, tail = "guard"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// The same, repeating the last row: a tile of as many rows.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}) {rows = 6, columns = 2
// CHECK: "loop.min"
// CHECK: "loop.tile"({{.*}}) {rows = 6, columns = 2
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 18, tail = "guard"},
    {axis = "n", kind = "grid", step = 16, tail = "guard"},
    {axis = "m", kind = "tile", step = 6, tail = "repeat"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Two steps of k are written out instead of four.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"({{.*}}unroll = 2
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
    {axis = "k", kind = "unroll", step = 2, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// Columns come first: pieces are counted down the rows.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: pieces = "4"
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "n", kind = "grid", step = 16, tail = "guard"},
    {axis = "m", kind = "grid", step = 20, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// What three pieces are to be done by one thread, in a row, is one piece of the loop.
// CHECK-LABEL: func.func @k0
// CHECK-SAME: pieces = "4"
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> tensor<40x24xf32> {
  %0 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%p) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "tile", levels = [{axis = "m", kind = "grid", step = 8, tail = "guard"},
    {axis = "n", kind = "grid", step = 16, tail = "guard"},
    {axis = "grid", kind = "serial", step = 3, tail = "guard"},
    {axis = "m", kind = "tile", step = 4, tail = "exact"},
    {axis = "n", kind = "tile", step = 16, tail = "guard"},
    {axis = "k", kind = "unroll", step = 4, tail = "guard"}], mma = "fma_f32"}} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A kernel that gives a value twice is computed once: the pass takes it apart.
// CHECK-COUNT-1: func.func @k
// CHECK-LABEL: func.func @main
module attributes {ds.after = "group"} {
func.func @main(%x: tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>) {
  %0, %1 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n, %n) : (tensor<40x24xf32>, tensor<40x24xf32>) -> ()
  }) : (tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>)
  func.return %0, %1 : tensor<40x24xf32>, tensor<40x24xf32>
}
}
// -----
// An epilogue that reads the product at other points is a kernel of its own.
// CHECK-LABEL: func.func @k0
// CHECK: "loop.tile"
// CHECK-LABEL: func.func @k1
// CHECK: "loop.abs"
// CHECK-LABEL: func.func @main
// CHECK: kernel = @k0
// CHECK: kernel = @k1
module attributes {ds.after = "group"} {
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
  }) : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
  func.return %0 : tensor<40x24xf32>
}
}
// -----
// A kernel that gives what a product makes, and what is made of it, is two.
// CHECK-LABEL: func.func @k1
// CHECK-LABEL: func.func @main
module attributes {ds.after = "group"} {
func.func @main(%x: tensor<40x16xf32>, %w: tensor<16x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>) {
  %0, %1 = "graph.kernel"(%x, %w) ({
  ^bb0(%a: tensor<40x16xf32>, %b: tensor<16x24xf32>):
    %p = "graph.matmul"(%a, %b) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["16"]} : (tensor<40x16xf32>, tensor<16x24xf32>) -> tensor<40x24xf32>
    %q = "graph.map"(%p) ({
    ^bb0(%s: f32):
      %r = "loop.abs"(%s) : (f32) -> f32
      "graph.yield"(%r) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%q, %p) : (tensor<40x24xf32>, tensor<40x24xf32>) -> ()
  }) : (tensor<40x16xf32>, tensor<16x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>)
  func.return %0, %1 : tensor<40x24xf32>, tensor<40x24xf32>
}
}
// -----
// Equal kernels of equal schedules are one function.
// CHECK-COUNT-1: func.func @k
// CHECK-LABEL: func.func @main
// CHECK: kernel = @k0
// CHECK: kernel = @k0
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>) {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  %1 = "graph.kernel"(%0) ({
  ^bb0(%c: tensor<40x24xf32>):
    %o = "graph.map"(%c) ({
    ^bb0(%o_in: f32):
      %o_out = "loop.neg"(%o_in) : (f32) -> f32
      "graph.yield"(%o_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%o) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0, %1 : tensor<40x24xf32>, tensor<40x24xf32>
}
}
// -----
// Equal kernels of other schedules are two.
// CHECK-LABEL: func.func @k0
// CHECK-LABEL: func.func @k1
// CHECK-LABEL: func.func @main
// CHECK: kernel = @k0
// CHECK: kernel = @k1
module attributes {ds.after = "schedule"} {
func.func @main(%x: tensor<40x24xf32>) -> (tensor<40x24xf32>, tensor<40x24xf32>) {
  %0 = "graph.kernel"(%x) ({
  ^bb0(%a: tensor<40x24xf32>):
    %n = "graph.map"(%a) ({
    ^bb0(%n_in: f32):
      %n_out = "loop.neg"(%n_in) : (f32) -> f32
      "graph.yield"(%n_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%n) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 64, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  %1 = "graph.kernel"(%0) ({
  ^bb0(%c: tensor<40x24xf32>):
    %o = "graph.map"(%c) ({
    ^bb0(%o_in: f32):
      %o_out = "loop.neg"(%o_in) : (f32) -> f32
      "graph.yield"(%o_out) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<40x24xf32>) -> tensor<40x24xf32>
    "graph.yield"(%o) : (tensor<40x24xf32>) -> ()
  }) {schedule = {program = "points", levels = [{axis = "d0", kind = "grid", step = 128, tail = "guard"},
    {axis = "d0", kind = "lane", step = 8, tail = "exact"}]}} : (tensor<40x24xf32>) -> tensor<40x24xf32>
  func.return %0, %1 : tensor<40x24xf32>, tensor<40x24xf32>
}
}
