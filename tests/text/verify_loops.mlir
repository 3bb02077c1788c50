// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// Rules of loops over buffers: scalars, vectors, positions, tiles.
// `--passes=` reads the text, which verifies it.
// -----
// Operands of one scalar op are of one type.
// CHECK: error: loop.add: operand and result types do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.add"(%v, %p) : (f32, index) -> f32
  func.return
}
// -----
// There are no bits of floats.
// CHECK: error: loop.and: there is no such op on this element type [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.and"(%v, %v) : (f32, f32) -> f32
  func.return
}
// -----
// No arithmetic of narrow floats.
// CHECK: error: loop.mul: there is no such op on this element type [DS0116]
func.func @k0(%x: memref<?xf16>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf16>, index) -> f16
  %s = "loop.mul"(%v, %v) : (f16, f16) -> f16
  func.return
}
// -----
// A comparison gives a bool.
// CHECK: error: loop.lt: operand and result types do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.lt"(%v, %v) : (f32, f32) -> f32
  func.return
}
// -----
// Bits are as many as before.
// CHECK: error: loop.bitcast: operand and result types do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.bitcast"(%v) : (f32) -> i64
  func.return
}
// -----
// A constant is of its type.
// CHECK: error: loop.constant: the value is not one of the result's type [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %c = "loop.constant"() {value = 1.5 : f64} : () -> index
  func.return
}
// -----
// A load has a position for every dim of its map.
// CHECK: error: loop.load: there is not one index operand for every dim of the map [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0, d1) -> (d0 + d1)>} : (memref<?xf32>, index) -> f32
  func.return
}
// -----
// Positions are integers.
// CHECK: error: loop.load: value, buffer, positions and mask do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %w = "loop.load"(%x, %v) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, f32) -> f32
  func.return
}
// -----
// A store writes what the buffer holds.
// CHECK: error: loop.store: value, buffer, positions and mask do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  "loop.store"(%p, %x, %p) {map = affine_map<(d0) -> (d0)>} : (index, memref<?xf32>, index) -> ()
  func.return
}
// -----
// A mask has the lanes of its vector.
// CHECK: error: loop.load: value, buffer, positions and mask do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %c = "loop.eq"(%p, %p) : (index, index) -> i1
  %m = "loop.splat"(%c) : (i1) -> vector<4xi1>
  %v = "loop.load"(%x, %p, %m) {map = affine_map<(d0) -> (d0)>, masked} : (memref<?xf32>, index, vector<4xi1>) -> vector<8xf32>
  func.return
}
// -----
// Lanes are a power of two.
// CHECK: error: loop.splat: operand and result types do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.splat"(%v) : (f32) -> vector<6xf32>
  func.return
}
// -----
// A loop carries what it begins with.
// CHECK: error: loop.for: bounds, carried values, region arguments, yielded values and results do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %r = "loop.for"(%p, %p, %p, %v) ({
  ^bb0(%i: index, %c: f32):
    "loop.yield"(%i) : (index) -> ()
  }) : (index, index, index, f32) -> f32
  func.return
}
// -----
// Pieces are the outermost loop.
// CHECK: error: loop.parallel: pieces are not the outermost loop of a kernel, with one position [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  "loop.for"(%p, %p, %p) ({
  ^bb0(%i: index):
    "loop.parallel"() ({
    ^bb0(%j: index):
      "loop.yield"() : () -> ()
    }) {pieces = "1"} : () -> ()
    "loop.yield"() : () -> ()
  }) : (index, index, index) -> ()
  func.return
}
// -----
// Lanes are combined by scalars.
// CHECK: error: loop.fold_lanes: vectors, the region of scalars that combines two lanes, and results do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.splat"(%v) : (f32) -> vector<8xf32>
  %f = "loop.fold_lanes"(%s) ({
  ^bb0(%a: f32):
    "loop.yield"(%a) : (f32) -> ()
  }) : (vector<8xf32>) -> f32
  func.return
}
// -----
// A square is as many vectors as they have lanes.
// CHECK: error: loop.transpose: operands and results are not as many vectors of one type as they have lanes [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.splat"(%v) : (f32) -> vector<4xf32>
  %a, %b = "loop.transpose"(%s, %s) : (vector<4xf32>, vector<4xf32>) -> (vector<4xf32>, vector<4xf32>)
  func.return
}
// -----
// Vectors in turns make up the result.
// CHECK: error: loop.interleave: operands are not a power of two of vectors that have the result's lanes together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %v = "loop.load"(%x, %p) {map = affine_map<(d0) -> (d0)>} : (memref<?xf32>, index) -> f32
  %s = "loop.splat"(%v) : (f32) -> vector<4xf32>
  %a = "loop.interleave"(%s, %s) : (vector<4xf32>, vector<4xf32>) -> vector<4xf32>
  func.return
}
// -----
// A tile has a sum for each row and column.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %x, %p, %p, %p) {rows = 2, columns = 1, lanes = 8, window = ["4"], lhs = ["1"], rhs = ["8"]} : (memref<?xf32>, memref<?xf32>, index, index, index) -> vector<8xf32>
  func.return
}
// -----
// And room for its sums in registers.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %x, %p, %p) {rows = 17, columns = 1, lanes = 8, window = ["4"], lhs = ["1"], rhs = ["8"]} : (memref<?xf32>, memref<?xf32>, index, index) -> vector<8xf32>
  func.return
}
// -----
// By a row of the table of multiplies.
// CHECK: error: loop.tile: there is no such way to multiply vectors [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %x, %p, %p) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["1"], rhs = ["8"], mma = "fma"} : (memref<?xf32>, memref<?xf32>, index, index) -> vector<8xf32>
  func.return
}
// -----
// Whose element types the operands have.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xf32>, %y: memref<?xi8>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %y, %p, %p) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["1"], rhs = ["8"], mma = "fma_f32"} : (memref<?xf32>, memref<?xi8>, index, index) -> vector<8xf32>
  func.return
}
// -----
// A turn has steps.
// CHECK: error: loop.tile: unrolled by 1 to 16 steps, fetching up to 64 lines ahead and 1024 near, of 16 to 1024 bytes [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %x, %p, %p) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["1"], rhs = ["8"], unroll = 0} : (memref<?xf32>, memref<?xf32>, index, index) -> vector<8xf32>
  func.return
}
// -----
// Lines are as long as caches have them.
// CHECK: error: loop.tile: unrolled by 1 to 16 steps, fetching up to 64 lines ahead and 1024 near, of 16 to 1024 bytes [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %x, %p, %p) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["1"], rhs = ["8"], line = 96} : (memref<?xf32>, memref<?xf32>, index, index) -> vector<8xf32>
  func.return
}
// -----
// A map of positions gives one.
// CHECK: error: loop.apply: the map has not one position for every dim, and one result [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %a = "loop.apply"(%p) {map = affine_map<(d0) -> (d0, d0)>} : (index) -> index
  func.return
}
// -----
// A kernel takes buffers.
// CHECK: error: function @k0: a kernel does not say its scratch memory, or takes more than buffers [DS0116]
func.func @k0(%x: memref<?xf32>, %n: index) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  func.return
}
// -----
// Matrices are those of registers.
// CHECK: error: loop.matrix: operands do not fit so many matrices, or it is in no loop.matrices [DS0116]
func.func @k0(%x: memref<?xui8>, %w: memref<?xi8>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.local"() {count = 256} : () -> memref<?xi32>
  "loop.matrix"(%x, %w, %p, %p, %s) {high = 1, wide = 1, stride = "64", window = ["16"], lhs = ["4"], rhs = ["64"]} : (memref<?xui8>, memref<?xi8>, index, index, memref<?xi32>) -> ()
  func.return
}
// -----
// There is room for the sums of all.
// CHECK: error: loop.matrix: operands do not fit so many matrices, or it is in no loop.matrices [DS0116]
func.func @k0(%x: memref<?xui8>, %w: memref<?xi8>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  "loop.matrices"(%p) ({
    %s = "loop.local"() {count = 255} : () -> memref<?xi32>
    "loop.matrix"(%x, %w, %p, %p, %s) {high = 1, wide = 1, stride = "64", window = ["16"], lhs = ["4"], rhs = ["64"]} : (memref<?xui8>, memref<?xi8>, index, index, memref<?xi32>) -> ()
    "loop.yield"() : () -> ()
  }) {mma = "matrix_u8i8", steps = 16} : (index) -> ()
  func.return
}
// -----
// A register has at most 16 steps.
// CHECK: error: loop.matrices: no such registers, or not of so many steps, or they are taken [DS0116]
func.func @k0(%x: memref<?xui8>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 1} : () -> index
  "loop.matrices"(%p) ({
    "loop.yield"() : () -> ()
  }) {mma = "matrix_u8i8", steps = 17} : (index) -> ()
  func.return
}
// -----
// Registers hold one kind of matrices at a time.
// CHECK: error: loop.matrices: no such registers, or not of so many steps, or they are taken [DS0116]
func.func @k0(%x: memref<?xui8>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 1} : () -> index
  "loop.matrices"(%p) ({
    "loop.matrices"(%p) ({
      "loop.yield"() : () -> ()
    }) {mma = "matrix_bf16", steps = 16} : (index) -> ()
    "loop.yield"() : () -> ()
  }) {mma = "matrix_u8i8", steps = 16} : (index) -> ()
  func.return
}
// -----
// A table has an entry for every byte.
// CHECK: error: loop.lookup: operand and result types do not fit together [DS0116]
func.func @k0(%x: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  %b = "loop.constant"() {value = 3} : () -> ui8
  %t = "loop.lookup"(%b) {table = dense<0> : tensor<255xui8>} : (ui8) -> ui8
  func.return
}
// -----
// Blocks have their scales' buffer, and where those of each column lie.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xf32>, %w: memref<?xi4>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %w, %p, %p, %x) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["8"], rhs = ["128"], mma = "nibbles", block = 4, apart = 16} : (memref<?xf32>, memref<?xi4>, index, index, memref<?xf32>) -> vector<8xf32>
  func.return
}
// -----
// Columns of three bytes lie in panels, which need no masks.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xf32>, %w: memref<?xi3>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %t = "loop.constant"() {value = true} : () -> i1
  %m = "loop.splat"(%t) : (i1) -> vector<8xi1>
  %s = "loop.tile"(%x, %w, %p, %p, %m) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["8"], rhs = ["128"], mma = "octals", masked} : (memref<?xf32>, memref<?xi3>, index, index, vector<8xi1>) -> vector<8xf32>
  func.return
}
// -----
// Whole numbers become floats by scales of blocks only.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xi8>, %w: memref<?xi4>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %w, %p, %p) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["8"], rhs = ["128"], mma = "bytes_i4"} : (memref<?xi8>, memref<?xi4>, index, index) -> vector<8xf32>
  func.return
}
// -----
// Sums of two rows and two columns are a vector of four.
// CHECK: error: loop.tile: operands and results do not fit a tile of these rows, columns and lanes [DS0116]
func.func @k0(%x: memref<?xi8>, %w: memref<?xi8>) attributes {pieces = "1", scratch = [], symbols = []} {
  %p = "loop.constant"() {value = 0} : () -> index
  %s = "loop.tile"(%x, %w, %p, %p) {rows = 1, columns = 1, lanes = 8, window = ["4"], lhs = ["8"], rhs = ["128"], mma = "squares_i8i8"} : (memref<?xi8>, memref<?xi8>, index, index) -> vector<8xi32>
  func.return
}
