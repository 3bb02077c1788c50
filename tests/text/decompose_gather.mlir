// RUN: dsc opt --passes=decompose --verify-each %s | FileCheck %s

// An index that is known is an access map; nothing is looked up.
// CHECK-LABEL: @gather_known
// CHECK-NOT: graph.extract
// CHECK: maps = [affine_map<(d0) -> (2, d0)>]
func.func @gather_known(%x: tensor<5x4xf32>) -> tensor<4xf32> {
  %i = "onnx.Constant"() {value = dense<2> : tensor<i64>} : () -> none
  %0 = "onnx.Gather"(%x, %i) : (tensor<5x4xf32>, none) -> none
  func.return %0 : none
}

// Others are read: negative ones count from the end, and are kept within bounds.
// CHECK-LABEL: @gather
// CHECK: "graph.map"(%arg1)
// CHECK: %[[I:.*]] = "loop.cast"({{.*}}) : (i64) -> index
// CHECK-DAG: %[[NEGATIVE:.*]] = "loop.lt"(%[[I]],
// CHECK-DAG: %[[FROM_END:.*]] = "loop.add"(%[[I]],
// CHECK: "loop.select"(%[[NEGATIVE]], %[[FROM_END]], %[[I]])
// CHECK: "loop.min"
// CHECK: %[[AT:.*]] = "loop.max"
// CHECK: "graph.extract"(%arg0, %[[AT]], {{.*}}) : (tensor<5x4xf32>, index, index) -> f32
// CHECK: -> tensor<3x4xf32>
func.func @gather(%x: tensor<5x4xf32>, %i: tensor<3xi64>) -> tensor<3x4xf32> {
  %0 = "onnx.Gather"(%x, %i) : (tensor<5x4xf32>, tensor<3xi64>) -> none
  func.return %0 : none
}

// An index for each dim, each read from the tensor of indices.
// CHECK-LABEL: @gather_nd
// CHECK-COUNT-2: "graph.extract"(%arg1,
// CHECK: "graph.extract"(%arg0,
// CHECK: -> tensor<3xf32>
func.func @gather_nd(%x: tensor<5x4xf32>, %i: tensor<3x2xi64>) -> tensor<3xf32> {
  %0 = "onnx.GatherND"(%x, %i) : (tensor<5x4xf32>, tensor<3x2xi64>) -> none
  func.return %0 : none
}

// Where to write is known at run time only: a C function does it, told how many there are and of what size.
// CHECK-LABEL: @scatter
// CHECK: "graph.extern"(%arg0, %arg1, %arg2) {callee = "scatter_nd", params = ["3", "2", "1", "36", "5", "4"]}
func.func @scatter(%x: tensor<5x4xf32>, %i: tensor<3x2xi64>, %u: tensor<3xf32>) -> tensor<5x4xf32> {
  %0 = "onnx.ScatterND"(%x, %i, %u) : (tensor<5x4xf32>, tensor<3x2xi64>, tensor<3xf32>) -> none
  func.return %0 : none
}

// OneHot compares its position with the index.
// CHECK-LABEL: @one_hot
// CHECK: "loop.position"() {dim = 1}
// CHECK: "loop.eq"
// CHECK: "loop.select"
func.func @one_hot(%i: tensor<3xi64>, %v: tensor<2xf32>) -> tensor<3x5xf32> {
  %n = "onnx.Constant"() {value = dense<5> : tensor<i64>} : () -> none
  %0 = "onnx.OneHot"(%i, %n, %v) : (tensor<3xi64>, none, tensor<2xf32>) -> none
  func.return %0 : none
}

// How many there are depends on values: they are counted first, the count is read into a symbol, the results have that extent.
// CHECK-LABEL: @non_zero
// CHECK: %[[N:.*]] = "graph.reduce"
// CHECK: "loop.add"({{.*}}) : (i64, i64) -> i64
// CHECK: "graph.item"(%[[N]]) {symbol = "[[V:v_[0-9]+]]", at = 0}
// CHECK: "graph.extern"({{.*}}) {callee = "non_zero", {{.*}} -> tensor<2x?xi64, {dims = ["", "max(0, [[V]])"]}>
func.func @non_zero(%x: tensor<3x4xf32>) -> tensor<2x?xi64, {dims = ["", "n"]}> {
  %0 = "onnx.NonZero"(%x) : (tensor<3x4xf32>) -> none
  func.return %0 : none
}

// The largest of each row, with their places: one C function for both results.
// CHECK-LABEL: @top_k
// CHECK: "graph.extern"(%arg0) {callee = "top_k", params = ["3", "4", "1", "2", "1", "36"]} {{.*}} -> (tensor<3x2xf32>, tensor<3x2xi64>)
func.func @top_k(%x: tensor<3x4xf32>) -> (tensor<3x2xf32>, tensor<3x2xi64>) {
  %k = "onnx.Constant"() {value = dense<[2]> : tensor<1xi64>} : () -> none
  %0, %1 = "onnx.TopK"(%x, %k) : (tensor<3x4xf32>, none) -> (none, none)
  func.return %0, %1 : none, none
}
