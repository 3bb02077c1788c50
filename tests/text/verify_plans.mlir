// RUN: not dsc opt --passes= %s 2>&1 | FileCheck %s

// Rules of plans: their memory, and calls that fit the kernels they run.
// `--passes=` reads the text, which verifies it.
// -----
// A call gives a kernel its buffers.
// CHECK: error: plan.call: buffers, symbols and scratch memory are not those of a kernel of this name [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.call"(%x) {kernel = @k0, pieces = "1", symbols = [], scratch = []} : (memref<?xf32>) -> ()
  func.return
}
func.func @k0(%x: memref<?xf32>, %y: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  func.return
}
// -----
// Of the element types that it takes.
// CHECK: error: plan.call: buffers, symbols and scratch memory are not those of a kernel of this name [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  %b = "plan.slice"() {offset = "0", bytes = "16"} : () -> memref<?xi8>
  "plan.call"(%b, %y) {kernel = @k0, pieces = "1", symbols = [], scratch = []} : (memref<?xi8>, memref<?xf32>) -> ()
  func.return
}
func.func @k0(%x: memref<?xf32>, %y: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  func.return
}
// -----
// A kernel of that name.
// CHECK: error: plan.call: buffers, symbols and scratch memory are not those of a kernel of this name [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.call"(%x, %y) {kernel = @k1, pieces = "1", symbols = [], scratch = []} : (memref<?xf32>, memref<?xf32>) -> ()
  func.return
}
func.func @k0(%x: memref<?xf32>, %y: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  func.return
}
// -----
// Symbols that it reads.
// CHECK: error: plan.call: buffers, symbols and scratch memory are not those of a kernel of this name [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.call"(%x, %y) {kernel = @k0, pieces = "1", symbols = ["n"], scratch = []} : (memref<?xf32>, memref<?xf32>) -> ()
  func.return
}
func.func @k0(%x: memref<?xf32>, %y: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  func.return
}
// -----
// Scratch memory of its lanes.
// CHECK: error: plan.call: buffers, symbols and scratch memory are not those of a kernel of this name [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.call"(%x, %y) {kernel = @k0, pieces = "1", symbols = [], scratch = ["64"]} : (memref<?xf32>, memref<?xf32>) -> ()
  func.return
}
func.func @k0(%x: memref<?xf32>, %y: memref<?xf32>) attributes {pieces = "1", scratch = [], symbols = []} {
  func.return
}
// -----
// Arguments are inputs and outputs.
// CHECK: error: function @main: inputs, outputs and memory of the plan do not fit its arguments [DS0116]
func.func @main(%x: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {

  func.return
}
// -----
// An output lies in an input's memory, if that is one.
// CHECK: error: function @main: inputs, outputs and memory of the plan do not fit its arguments [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], tied = [1], arena = "64", lane_bytes = "0"} {

  func.return
}
// -----
// A weight has as many bytes as it says.
// CHECK: error: plan.weight: operands, results and attributes do not fit together [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  %w = "plan.weight"() {constant = dense<[1.0, 2.0]> : tensor<2xf32>, bytes = "16"} : () -> memref<?xf32>
  func.return
}
// -----
// A symbol is read from integers.
// CHECK: error: plan.read: operands, results and attributes do not fit together [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.read"(%x) {symbol = "v_0", at = 0, elem = f32} : (memref<?xf32>) -> ()
  func.return
}
// -----
// Cells change places, other memory does not.
// CHECK: error: plan.swap: operands, results and attributes do not fit together [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.swap"(%x, %y) : (memref<?xf32>, memref<?xf32>) -> ()
  func.return
}
// -----
// Symbols and their values come in pairs.
// CHECK: error: plan.set: operands, results and attributes do not fit together [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  "plan.set"() {symbols = ["v_0"], values = ["1", "2"]} : () -> ()
  func.return
}
// -----
// A symbol that nothing reads or sets.
// CHECK: error: plan.slice: nothing defines symbol 'n' [DS0116]
func.func @main(%x: memref<?xf32>, %y: memref<?xf32>) attributes {inputs = [tensor<4xf32>], outputs = [tensor<4xf32>], arena = "64", lane_bytes = "0"} {
  %b = "plan.slice"() {offset = "0", bytes = "n * 4"} : () -> memref<?xf32>
  func.return
}
