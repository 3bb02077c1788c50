// RUN: dsc opt --cpu=x86-64-v3 --verify-each %s | FileCheck %s

// What the plan says: where tensors lie, what is copied, read and required, and in which order kernels run.
// -----
// Tensors that live at the same time lie apart, at multiples of 64 bytes. The last one lies where the first one did, which has another
// size: it is placed there, not written over it.
// CHECK-LABEL: func.func @main
// CHECK-SAME: arena = "192"
// CHECK: %[[A:.*]] = "plan.slice"() {offset = "0", bytes = "128"}
// CHECK: "plan.call"(%arg0, %[[A]])
// CHECK: %[[B:.*]] = "plan.slice"() {offset = "128", bytes = "16"}
// CHECK: "plan.call"(%[[A]], %[[B]])
// CHECK: %[[C:.*]] = "plan.slice"() {offset = "0", bytes = "4"}
// CHECK: "plan.call"(%[[B]], %[[C]])
// CHECK: "plan.call"(%[[B]], %[[C]], %arg1)
func.func @main(%x: tensor<8x4xf32>) -> tensor<4xf32> {
  %a = "onnx.Constant"() {value = dense<[0]> : tensor<1xi64>} : () -> none
  %0 = "onnx.CumSum"(%x, %a) : (tensor<8x4xf32>, none) -> none
  %1 = "onnx.ReduceProd"(%0, %a) {keepdims = 0} : (none, none) -> none
  %2 = "onnx.ReduceMax"(%1) {keepdims = 0} : (none) -> none
  %3 = "onnx.Sub"(%1, %2) : (none, none) -> none
  func.return %3 : none
}
// -----
// A size that is read at run time: memory comes from the caller's allocator, when it is known.
// CHECK-LABEL: func.func @main
// CHECK: "plan.read"(%arg0) {symbol = "[[N:v_[0-9]+]]", at = 0, elem = i64}
// CHECK: %[[M:.*]] = "plan.allocate"() {bytes = "max(0, [[N]]) * 4"}
// CHECK: "plan.call"(%[[M]])
func.func @main(%n: tensor<i64>) -> tensor<?xf32, {dims = ["n"]}> {
  %z = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> none
  %o = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> none
  %r = "onnx.Range"(%z, %n, %o) : (none, tensor<i64>, none) -> none
  %f = "onnx.Cast"(%r) {to = 1} : (none) -> none
  %s = "onnx.CumSum"(%f, %z) : (none, none) -> none
  %m = "onnx.ReduceMax"(%s) {keepdims = 0} : (none) -> none
  %d = "onnx.Sub"(%s, %m) : (none, none) -> none
  func.return %d : none
}
// -----
// A size that the inputs give is in the arena, whose own size is an expression.
// CHECK-LABEL: func.func @main
// CHECK-SAME: arena = "{{[^"]*}}n{{[^"]*}}"
// CHECK: "plan.slice"() {offset = "0", bytes = "n * 4"}
// CHECK-NOT: "plan.allocate"
func.func @main(%x: tensor<?xf32, {dims = ["n"]}>) -> tensor<?xf32, {dims = ["n"]}> {
  %a = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> none
  %0 = "onnx.CumSum"(%x, %a) : (tensor<?xf32, {dims = ["n"]}>, none) -> none
  %1 = "onnx.CumSum"(%0, %a) : (none, none) -> none
  func.return %1 : none
}
// -----
// What is required is looked at first, before any kernel runs.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: "plan.require"() {is = "equal", left = "n", right = "m", node = "Concat", what = "two extents are equal"}
// CHECK-NEXT: "plan.call"(%arg0, %arg1, %arg2)
func.func @main(%x: tensor<?x8xf32, {dims = ["n", ""]}>, %y: tensor<?x4xf32, {dims = ["m", ""]}>) -> tensor<?x12xf32, {dims = ["n", ""]}> {
  %0 = "onnx.Concat"(%x, %y) {axis = 1} : (tensor<?x8xf32, {dims = ["n", ""]}>, tensor<?x4xf32, {dims = ["m", ""]}>) -> none
  func.return %0 : none
}
// -----
// A result that the caller gets twice is made once and copied; a view of it has the same bytes.
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"(%arg0, %arg1)
// CHECK-NEXT: "plan.copy"(%arg1, %arg2) {bytes = "256"}
// CHECK-NEXT: func.return
func.func @main(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<8x8xf32>) {
  %s = "onnx.Constant"() {value = dense<[8, 8]> : tensor<2xi64>} : () -> none
  %0 = "onnx.Exp"(%x) : (tensor<64xf32>) -> none
  %1 = "onnx.Reshape"(%0, %s) : (none, none) -> none
  func.return %0, %1 : none, none
}
// -----
// An input that is a result.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: "plan.copy"(%arg0, %arg1) {bytes = "256"}
// CHECK-NEXT: func.return
func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
  func.return %x : tensor<64xf32>
}
// -----
// A cache that is changed may be changed in place: its result is tied to the input, for callers that give both the same memory. Others
// get a copy.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tied = [0]
// CHECK: "plan.copy"(%arg0, %arg3) {bytes = "80"}
// CHECK-NEXT: "plan.extern"(%arg1, %arg2, %arg3) {callee = "scatter_nd"
func.func @main(%x: tensor<5x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> tensor<5x4xf32> {
  %0 = "onnx.ScatterND"(%x, %i, %u) : (tensor<5x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  func.return %0 : none
}
// -----
// Not where the input is read afterwards.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tied = [-1]
// CHECK: "plan.extern"
// CHECK: "plan.call"(%arg0,
func.func @main(%x: tensor<5x4xf32>, %i: tensor<3x1xi64>, %u: tensor<3x4xf32>) -> tensor<5x4xf32> {
  %0 = "onnx.ScatterND"(%x, %i, %u) : (tensor<5x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>) -> none
  %1 = "onnx.Add"(%x, %0) : (tensor<5x4xf32>, none) -> none
  func.return %1 : none
}
// -----
// How many results there are is counted by a kernel; the count is read before the next one.
// CHECK-LABEL: func.func @main
// CHECK: %[[C:.*]] = "plan.slice"() {offset = "{{[0-9]+}}", bytes = "8"} : () -> memref<?xi64>
// CHECK: "plan.call"({{.*}}, %[[C]])
// CHECK: "plan.read"(%[[C]]) {symbol = "[[V:v_[0-9]+]]", at = 0, elem = i64}
// CHECK: "plan.extern"({{.*}}, %arg1) {callee = "non_zero", params = [{{.*}}"max(0, [[V]])"
func.func @main(%x: tensor<3x4xf32>) -> tensor<2x?xi64, {dims = ["", "n"]}> {
  %0 = "onnx.NonZero"(%x) : (tensor<3x4xf32>) -> none
  func.return %0 : none
}
// -----
// Dense parts that follow each other are written to their places: nothing is concatenated.
// CHECK-LABEL: func.func @main
// CHECK-NOT: "concat
// CHECK: "plan.call"(%arg0, %arg2)
// CHECK: %[[SECOND:.*]] = "plan.part"(%arg2) {offset = "256"}
// CHECK: "plan.call"(%arg1, %[[SECOND]])
// CHECK-NEXT: func.return
func.func @main(%x: tensor<4x16xf32>, %y: tensor<3x16xf32>) -> tensor<7x16xf32> {
  %0 = "onnx.Softmax"(%x) : (tensor<4x16xf32>) -> none
  %1 = "onnx.LpNormalization"(%y) : (tensor<3x16xf32>) -> none
  %2 = "onnx.Concat"(%0, %1) {axis = 0} : (none, none) -> none
  func.return %2 : none
}
// -----
// Side by side they do not follow each other: a kernel copies them.
// CHECK-LABEL: func.func @main
// CHECK: what = "concat
func.func @main(%x: tensor<4x16xf32>, %y: tensor<4x8xf32>) -> tensor<4x24xf32> {
  %0 = "onnx.Softmax"(%x) : (tensor<4x16xf32>) -> none
  %1 = "onnx.LpNormalization"(%y) : (tensor<4x8xf32>) -> none
  %2 = "onnx.Concat"(%0, %1) {axis = 1} : (none, none) -> none
  func.return %2 : none
}
// -----
// Weights lie in the order in which kernels use them, whatever the order of the model is; rows of panels behind one another are a little
// apart, so that they do not share few sets of the cache.
// CHECK-LABEL: func.func @main
// CHECK: %[[U:.*]] = "plan.weight"() {constant = 0, bytes = "8448"}
// CHECK: %[[W:.*]] = "plan.weight"() {constant = 1, bytes = "16640"}
// CHECK: "plan.call"(%arg0, %[[U]],
// CHECK: "plan.call"({{.*}}, %[[W]], %arg1)
func.func @main(%x: tensor<4x32xf32>) -> tensor<4x64xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<64x64xf32>} : () -> none
  %u = "onnx.Constant"() {value = dense<0.25> : tensor<32x64xf32>} : () -> none
  %0 = "onnx.MatMul"(%x, %u) : (tensor<4x32xf32>, none) -> none
  %1 = "onnx.MatMul"(%0, %w) : (none, none) -> none
  func.return %1 : none
}
// -----
// Loops of the plan turn around kernels, with the turn as a symbol; what is carried lies in the arena.
// CHECK-LABEL: func.func @main
// CHECK: "plan.loop"() ({
// CHECK: "plan.call"
// CHECK: "plan.yield"
// CHECK: {counter = "{{[a-z0-9_]+}}", extent = "5"}
func.func @main(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %0 = "graph.loop"(%x) ({
  ^bb0(%h: tensor<2x8xf32>):
    %1 = "graph.map"(%h) ({
    ^bb0(%a: f32):
      %e = "loop.neg"(%a) : (f32) -> f32
      "graph.yield"(%e) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (1 - d0, d1)>]} : (tensor<2x8xf32>) -> tensor<2x8xf32>
    "graph.yield"(%1) : (tensor<2x8xf32>) -> ()
  }) {counter = "t", extent = "5"} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  func.return %0 : tensor<2x8xf32>
}
// -----
// A recurrent network of two directions is one kernel: two pieces, each of which goes through all turns.
// CHECK: "loop.parallel"() ({
// CHECK: "loop.tile"
// CHECK: "loop.tanh"
// CHECK: {pieces = "2"
// CHECK-LABEL: func.func @main
// CHECK-NOT: "plan.loop"
// CHECK: "plan.call"({{.*}} pieces = "2"
func.func @main(%x: tensor<50x1x8xf32>) -> tensor<50x2x1x16xf32> {
  %w = "onnx.Constant"() {value = dense<0.5> : tensor<2x16x8xf32>} : () -> none
  %r = "onnx.Constant"() {value = dense<0.5> : tensor<2x16x16xf32>} : () -> none
  %0, %1 = "onnx.RNN"(%x, %w, %r) {hidden_size = 16, direction = "bidirectional"} : (tensor<50x1x8xf32>, none, none) -> (none, none)
  func.return %0 : none
}
// -----
// An irregular op is a step of its own among those that lanes share: what comes behind it waits, though it needs nothing of it.
// CHECK-LABEL: func.func @main
// CHECK: "plan.call"
// CHECK: "plan.call"
// CHECK-SAME: beside
// CHECK: "plan.extern"
// CHECK-NOT: beside
// CHECK: func.return
func.func @main(%past: tensor<1x2x16x4xf32>, %at: tensor<1xi64>, %x: tensor<1x2x1x4xf32>) -> (tensor<1x2x16x4xf32> {ds.alias = 0}, tensor<1x2x1x1xf32>, tensor<1x2x1x4xf32>) {
  %a = "onnx.Constant"() {value = dense<[3]> : tensor<1xi64>} : () -> none
  %k = "onnx.Softmax"(%x) {axis = -1} : (tensor<1x2x1x4xf32>) -> none
  %q = "onnx.Softmax"(%x) {axis = 1} : (tensor<1x2x1x4xf32>) -> none
  %0 = "onnx.TensorScatter"(%past, %k, %at) {axis = -2} : (tensor<1x2x16x4xf32>, none, tensor<1xi64>) -> none
  %1 = "onnx.ReduceSum"(%x, %a) : (tensor<1x2x1x4xf32>, none) -> none
  %2 = "onnx.Softmax"(%1) {axis = 1} : (none) -> none
  func.return %0, %2, %q : none, none, none
}
