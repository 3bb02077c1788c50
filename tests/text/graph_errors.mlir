// RUN: not dsc opt %s 2>&1 | FileCheck %s

// What a person gets wrong in a graph is shown where it stands, with what to write instead where that can be guessed.
// -----
// An operator whose letters are out of order.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (Reul): operator onnx.Reul is not supported; onnx.Relu is [DS0300]
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %y = "onnx.Reul"(%x) : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// An operator whose case is another.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (matmul): operator onnx.matmul is not supported; onnx.MatMul is [DS0300]
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %y = "onnx.matmul"(%x, %x) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// A value whose letters are out of order.
// CHECK: :[[@LINE+2]]:20: error: value %imgae is not defined (is it %image?) [DS0102]
func.func @main(%image: tensor<2x3xf32>) -> tensor<*xf32> {
  %y = "onnx.Relu"(%imgae) : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// An operand is missing.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (MatMul): operand 1 (B) is missing [DS0115]
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %y = "onnx.MatMul"(%x) : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// An operand too many.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (Relu): there are 2 operands where at most 1 make sense [DS0115]
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %y = "onnx.Relu"(%x, %x) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// A result too many.
// CHECK: :[[@LINE+2]]:12: error: node 'y' (Relu): 2 results instead of: Y [DS0116]
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %y, %z = "onnx.Relu"(%x) : (tensor<2x3xf32>) -> (tensor<*xf32>, tensor<*xf32>)
  func.return %z : tensor<*xf32>
}
// -----
// An attribute that has to be there.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (MaxPool): attribute 'kernel_shape' is missing [DS0114]
func.func @main(%x: tensor<1x1x4x4xf32>) -> tensor<*xf32> {
  %y = "onnx.MaxPool"(%x) {strides = [2, 2]} : (tensor<1x1x4x4xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// An attribute that the operator does not have.
// CHECK: :[[@LINE+2]]:29: error: onnx.Conv has no attribute 'stride' (is it strides?); at the newest opset it has: auto_pad dilations group kernel_shape pads strides [DS0102]
func.func @main(%x: tensor<1x1x4x4xf32>, %w: tensor<1x1x3x3xf32>) -> tensor<*xf32> {
  %y = "onnx.Conv"(%x, %w) {stride = [2, 2]} : (tensor<1x1x4x4xf32>, tensor<1x1x3x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// What was an attribute in older opsets is an operand.
// CHECK: :[[@LINE+2]]:28: error: 'axes' is operand 1 of onnx.Squeeze, not an attribute [DS0102]
func.func @main(%x: tensor<1x4xf32>) -> tensor<*xf32> {
  %y = "onnx.Squeeze"(%x) {axes = [0]} : (tensor<1x4xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// An attribute of another kind.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (Softmax): attribute 'axis' is not an integer [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf32> {
  %y = "onnx.Softmax"(%x) {axis = "1"} : (tensor<2x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// Extents that differ; operands whose types are inferred are shown.
// CHECK: :[[@LINE+3]]:8: error: node 'y' (MatMul): it must be that two extents are equal, but not 3 == 4 [DS0112]
// CHECK: note: node 'y' (MatMul): its operands are tensor<2x3xf32>, tensor<4x5xf32>
func.func @main(%x: tensor<2x3xf32>, %w: tensor<4x5xf32>) -> tensor<*xf32> {
  %y = "onnx.MatMul"(%x, %w) : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// Element types that differ.
// CHECK: :[[@LINE+3]]:8: error: node 'y' (Add): operands have element types f32 and f16 [DS0113]
// CHECK: note: node 'y' (Add): its operands are tensor<2x3xf32>, tensor<3xf16>
func.func @main(%x: tensor<2x3xf32>, %w: tensor<3xf16>) -> tensor<*xf32> {
  %y = "onnx.Add"(%x, %w) : (tensor<2x3xf32>, tensor<3xf16>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// An operand's type is the one it was defined with.
// CHECK: :[[@LINE+2]]:27: error: operand 0, %x, was defined as tensor<2x3xf32>, not as tensor<2x4xf32> [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Relu"(%x) : (tensor<2x4xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// A result's shape is not what the text says.
// CHECK: :[[@LINE+3]]:8: error: node 'y' (Relu): result 0 is tensor<2x3xf32>, not tensor<2x4xf32> [DS0112]
// CHECK: note: node 'y' (Relu): its operands are tensor<2x3xf32>
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x4xf32> {
  %y = "onnx.Relu"(%x) : (tensor<2x3xf32>) -> tensor<2x4xf32>
  func.return %y : tensor<2x4xf32>
}
// -----
// A result's elements are not what the text says.
// CHECK: :[[@LINE+3]]:8: error: node 'y' (Relu): result 0 is tensor<2x3xf32>, not tensor<*xf16> [DS0113]
// CHECK: note: node 'y' (Relu): its operands are tensor<2x3xf32>
func.func @main(%x: tensor<2x3xf32>) -> tensor<*xf16> {
  %y = "onnx.Relu"(%x) : (tensor<2x3xf32>) -> tensor<*xf16>
  func.return %y : tensor<*xf16>
}
// -----
// More values than results.
// CHECK: :[[@LINE+2]]:3: error: values returned: 2, results of the function: 1 [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  func.return %x, %x : tensor<2x3xf32>, tensor<2x3xf32>
}
// -----
// A value of another type than the result.
// CHECK: :[[@LINE+1]]:41: error: result 0 of the function is tensor<3x2xf32>, but tensor<2x3xf32> is returned [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// A function ends with its results.
// CHECK: :[[@LINE+1]]:1: error: function @main: a function does not end with func.return [DS0116]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Relu"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
}
// -----
// Types of results are not left out.
// CHECK: :[[@LINE+2]]:43: error: expected '->' [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Relu"(%x) : (tensor<2x3xf32>)
  func.return %y : tensor<2x3xf32>
}
// -----
// Operators stand in quotes.
// CHECK: :[[@LINE+2]]:8: error: expected an op, as "onnx.Relu"(%x) [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// An element type is MLIR's.
// CHECK: :[[@LINE+1]]:32: error: expected a number, ? or an element type, as in tensor<?x3xf32, {dims = ["n", ""]}> [DS0102]
func.func @main(%x: tensor<2x3xfloat>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// Extents are divided by x.
// CHECK: :[[@LINE+1]]:29: error: expected 'x' behind an extent, as in 4x?xf32 [DS0102]
func.func @main(%x: tensor<2,3,f32>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// Names of extents do not stand in place of their number.
// CHECK: :[[@LINE+1]]:28: error: expected a number, ? or an element type, as in tensor<?x3xf32, {dims = ["n", ""]}> [DS0102]
func.func @main(%x: tensor<nx3xf32>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// An alias that is not there.
// CHECK: :[[@LINE+1]]:21: error: no type is called !image [DS0102]
func.func @main(%x: !image) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// An alias with a letter too few.
// CHECK: :[[@LINE+2]]:21: error: no type is called !image (is it !imag?) [DS0102]
!imag = tensor<2x3xf32>
func.func @main(%x: !image) -> !image {
  func.return %x : !image
}
// -----
// A name for an extent that is a number.
// CHECK: :[[@LINE+1]]:37: error: 'dims' says that dimension 0 is 'n', but it is no '?' [DS0102]
func.func @main(%x: tensor<2x3xf32, {dims = ["n"]}>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// More names than dimensions.
// CHECK: :[[@LINE+1]]:35: error: 'dims' has 2 names for 1 dimensions [DS0102]
func.func @main(%x: tensor<?xf32, {dims = ["n", "m"]}>) -> tensor<?xf32> {
  func.return %x : tensor<?xf32>
}
// -----
// Fewer elements than the type has.
// CHECK: :[[@LINE+2]]:50: error: there are 2 elements instead of 3 [DS0102]
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  %w = "onnx.Constant"() {value = dense<[1.0, 2.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  func.return %w : tensor<3xf32>
}
// -----
// An element that is too large.
// CHECK: :[[@LINE+2]]:48: error: 300 does not fit i8 [DS0102]
func.func @main(%x: tensor<3xf32>) -> tensor<3xi8> {
  %w = "onnx.Constant"() {value = dense<[1, 2, 300]> : tensor<3xi8>} : () -> tensor<3xi8>
  func.return %w : tensor<3xi8>
}
// -----
// A fraction among integers.
// CHECK: :[[@LINE+2]]:42: error: expected an integer: the elements are i64 [DS0102]
func.func @main(%x: tensor<3xf32>) -> tensor<3xi64> {
  %w = "onnx.Constant"() {value = dense<[1.5, 2, 3]> : tensor<3xi64>} : () -> tensor<3xi64>
  func.return %w : tensor<3xi64>
}
// -----
// Weights without a file.
// CHECK: :[[@LINE+2]]:50: error: no file of weights is named: the module needs an attribute, as ds.weights = "model.safetensors" [DS0102]
func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
  %w = "onnx.Constant"() {value = dense_resource<w> : tensor<3xf32>} : () -> tensor<3xf32>
  func.return %w : tensor<3xf32>
}
// -----
// Weights lie beside the text.
// CHECK: :[[@LINE+3]]:52: error: ds.weights has to name a file beside this one, not '../w.safetensors' [DS0102]
module attributes {ds.weights = "../w.safetensors"} {
  func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
    %w = "onnx.Constant"() {value = dense_resource<w> : tensor<3xf32>} : () -> tensor<3xf32>
    func.return %w : tensor<3xf32>
  }
}
// -----
// A file that is not there.
// CHECK: error: cannot open '{{.*}}absent.safetensors': No such file or directory [DS0100]
// CHECK: :[[@LINE+3]]:52: note: which is needed here
module attributes {ds.weights = "absent.safetensors"} {
  func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {
    %w = "onnx.Constant"() {value = dense_resource<w> : tensor<3xf32>} : () -> tensor<3xf32>
    func.return %w : tensor<3xf32>
  }
}
// -----
// A name stands for one value.
// CHECK: :[[@LINE+3]]:3: error: value %y is defined twice [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Relu"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %y = "onnx.Relu"(%y) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// A string that does not end.
// CHECK: :[[@LINE+2]]:8: error: this string does not end on its line [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Relu(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// A function without its body's bracket.
// CHECK: :[[@LINE+1]]:56: error: expected '{' [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %x : tensor<2x3xf32>
}
// -----
// A body that does not end.
// CHECK: :[[@LINE+2]]:35: error: expected '}' [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
// -----
// Another language's function.
// CHECK: :[[@LINE+1]]:1: error: expected module or func.func @NAME(%x: TYPE) -> TYPE { [DS0102]
func main(x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// A model is called @main.
// CHECK: error: there is no function @main [DS0116]
func.func @model(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// Cast says to what.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (Cast): attribute 'to' is missing [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Cast"(%x) : (tensor<2x3xf32>) -> tensor<*xf16>
  %z = "onnx.Cast"(%y) {to = 1} : (tensor<*xf16>) -> tensor<2x3xf32>
  func.return %z : tensor<2x3xf32>
}
// -----
// An argument without a type.
// CHECK: :[[@LINE+1]]:40: error: expected ':' [DS0102]
func.func @main(%x: tensor<2x3xf32>, %y) -> tensor<2x3xf32> {
  func.return %x : tensor<2x3xf32>
}
// -----
// Inputs have a rank.
// CHECK: :[[@LINE+1]]:1: error: no tensor of numbers of known rank up to 14: input 'x' [DS0302]
func.func @main(%x: tensor<*xf32>) -> tensor<*xf32> {
  %y = "onnx.Relu"(%x) : (tensor<*xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// A word that the attribute does not know.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (Gelu): attribute 'approximate' is 'tan' instead of one of: none tanh [DS0114]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Gelu"(%x) {approximate = "tan"} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// Operands are values.
// CHECK: :[[@LINE+2]]:23: error: expected '%' [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Add"(%x, 1.0) : (tensor<2x3xf32>, f32) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// An attribute given twice.
// CHECK: :[[@LINE+2]]:38: error: attribute 'axis' is there twice [DS0102]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Softmax"(%x) {axis = 1, axis = 0} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// Lower levels have slips, too.
// CHECK: :[[@LINE+2]]:8: error: node 'y' (graph.reshpe): operator graph.reshpe is not supported; graph.reshape is [DS0300]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "graph.reshpe"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// … and operands too many.
// CHECK: :[[@LINE+2]]:8: error: graph.reshape: 2 operands instead of: input [DS0116]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "graph.reshape"(%x, %x) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// … and attributes that have to be there.
// CHECK: :[[@LINE+2]]:8: error: graph.map: attribute 'maps' of kind 'maps' is missing [DS0116]
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = "graph.map"(%x) ({
  ^bb0(%a: f32):
    %b = "loop.add"(%a) : (f32) -> f32
    "graph.yield"(%b) : (f32) -> ()
  }) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}
// -----
// An extent that no call tells.
// CHECK: :[[@LINE+1]]:1: error: function @main: symbol 'n' is the whole extent of no input, so that no call tells its value [DS0116]
func.func @main(%x: tensor<?xf32, {dims = ["n + 1"]}>) -> tensor<*xf32> {
  %y = "onnx.Neg"(%x) : (tensor<?xf32, {dims = ["n + 1"]}>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// -----
// A name that stands for what is read while running.
// CHECK: :[[@LINE+1]]:1: error: function @main: symbol 'v_n' is a word of dsc's own [DS0116]
func.func @main(%x: tensor<?xf32, {dims = ["v_n"]}>) -> tensor<*xf32> {
  %y = "onnx.Neg"(%x) : (tensor<?xf32, {dims = ["v_n"]}>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
