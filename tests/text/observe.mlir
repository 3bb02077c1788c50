// RUN: dsc opt --passes=decompose,simplify,observe --verify-each %s | FileCheck %s

// Factors and results of products are observed where the module asks for it.
// -----
// Where nothing is asked for, nothing is observed.
// CHECK-LABEL: func.func @main
// CHECK-NOT: graph.reduce
// CHECK: func.return %{{[0-9]+}} :
func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>) -> tensor<4x8xf32> {
  %0 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none loc("product")
  func.return %0 : none
}
// -----
// Factors and results of a convolution: channels are the second dim of images; a result is behind the bias; constants are listed.
// CHECK: ds.observed = [{at = 0, axis = 1, key = "conv:0", name = "conv.act"}, {axis = 0, elements = {{.*}}, key = "conv:1", name = "conv.weight"}, {at = 1, axis = 1, key = "conv:out", name = ""}]
// CHECK: -> ({{.*}}tensor<3xf32> {ds.name = "ds.observe.0.min"}, tensor<3xf32> {ds.name = "ds.observe.0.max"},
// CHECK-SAME: tensor<1xi64> {ds.name = "ds.observe.0.count"}
// CHECK: %[[A:.*]], %[[B:.*]], %[[C:.*]], %[[D:.*]] = "graph.reduce"(%arg0)
// CHECK: loop.mul
// CHECK: loop.min
// CHECK: loop.max
// CHECK: over = ["n", "8", "8"]{{.*}} -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
// CHECK: %[[N:.*]] = "graph.index"() {values = ["n * 192"]}
// CHECK: "graph.conv"(%arg0
// CHECK: %[[Y:.*]] = "graph.map"
// CHECK: "graph.reduce"(%[[Y]])
// CHECK: func.return %{{[^,]*}}, %[[A]], %[[B]], %[[C]], %[[D]], %[[N]],
module attributes {ds.observe = "ranges"} {
  func.func @main(%x: tensor<?x3x8x8xf32, {dims = ["n"]}>) -> tensor<*xf32> {
    %w = "onnx.Constant"() {value = dense<0.3> : tensor<4x3x1x1xf32>} : () -> none
    %b = "onnx.Constant"() {value = dense<0.5> : tensor<4xf32>} : () -> none
    %0 = "onnx.Conv"(%x, %w, %b) : (tensor<?x3x8x8xf32, {dims = ["n"]}>, none, none) -> none loc("conv")
    func.return %0 : none
  }
}
// -----
// A value that two products read is observed once; nodes of one name are told apart; extents that change are no channels.
// CHECK: {at = 0, axis = 1, key = "p:0", name = "p.left"}, {at = 1, axis = 1, key = "p:1", name = "p.right"}, {at = 2, axis = 1, key = "p:out", name = ""},
// CHECK-SAME: {at = 0, axis = 1, key = "p#2:0", name = "p#2.left"}, {at = 3, key = "p#2:1", name = "p#2.right"}, {at = 4, key = "p#2:out", name = ""}
module attributes {ds.observe = "ranges"} {
  func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>, %z: tensor<16x?xf32, {dims = ["", "m"]}>) -> (tensor<*xf32>, tensor<*xf32>) {
    %0 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none loc("p")
    %1 = "onnx.MatMul"(%x, %z) : (tensor<4x16xf32>, tensor<16x?xf32, {dims = ["", "m"]}>) -> none loc("p")
    func.return %0, %1 : none, none
  }
}
// -----
// Histograms: calls, and an input with the ends of all of them.
// CHECK: func.func @main(%arg0: tensor<4x16xf32> {{.*}}, %arg2: tensor<3xf32> {ds.name = "ds.ranges"})
// CHECK-SAME: tensor<1x4096xi64> {ds.name = "ds.observe.0.bins"}
// CHECK-DAG: "graph.extern"(%arg0, %arg2) {callee = "histogram", params = ["1", "1", "64", "0", "4096"]}
// CHECK-DAG: "graph.extern"(%arg1, %arg2) {callee = "histogram", params = ["1", "1", "128", "1", "4096"]}
module attributes {ds.observe = "histograms"} {
  func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>) -> tensor<4x8xf32> {
    %0 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none loc("product")
    func.return %0 : none
  }
}
// -----
// Each channel has its own.
// CHECK: %arg2: tensor<32xf32> {ds.name = "ds.ranges"}
// CHECK-DAG: "graph.extern"(%arg0, %arg2) {callee = "histogram", params = ["4", "16", "1", "0", "512"]}
// CHECK-DAG: "graph.extern"(%arg1, %arg2) {callee = "histogram", params = ["16", "8", "1", "16", "512"]}
module attributes {ds.observe = "channel_histograms"} {
  func.func @main(%x: tensor<4x16xf32>, %y: tensor<16x8xf32>) -> tensor<4x8xf32> {
    %0 = "onnx.MatMul"(%x, %y) : (tensor<4x16xf32>, tensor<16x8xf32>) -> none loc("product")
    func.return %0 : none
  }
}
// -----
// A branch gives out what it observed, the other one what combining begins with.
// CHECK: "graph.if"(%arg1)
// CHECK: %[[P:.*]] = "graph.matmul"
// CHECK: "graph.yield"(%[[P]], %{{[^,]*}}, %{{.*}} : (tensor<2x2xf32>, tensor<2xf32>
// CHECK: bytes = "0000807F0000807F"
// CHECK: bytes = "000080FF000080FF"
// CHECK: "graph.yield"(%arg0,
module attributes {ds.observe = "ranges"} {
  func.func @main(%x: tensor<2x2xf32>, %c: tensor<i1>) -> tensor<2x2xf32> {
    %y = "graph.if"(%c) ({
      %p = "graph.matmul"(%x, %x) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["2"]} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
      "graph.yield"(%p) : (tensor<2x2xf32>) -> ()
    }, {
      "graph.yield"(%x) : (tensor<2x2xf32>) -> ()
    }) : (tensor<i1>) -> tensor<2x2xf32>
    func.return %y : tensor<2x2xf32>
  }
}
// -----
// Turns carry what was observed so far, in front of what is stacked.
// CHECK: "graph.loop"(%arg0, %{{.*}}) ({
// CHECK: ^bb0(%[[V:[^:]*]]: tensor<2x2xf32>, %[[M:[^:]*]]: tensor<2xf32>,
// CHECK: %[[P:.*]] = "graph.matmul"
// CHECK: %[[L:.*]] = "graph.map"(%[[M]], %{{[^)]*}})
// CHECK: loop.min
// CHECK: "graph.yield"(%[[P]], %[[L]], {{.*}}, %[[P]])
module attributes {ds.observe = "ranges"} {
  func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<3x2x2xf32>) {
    %a, %s = "graph.loop"(%x) ({
    ^bb0(%v: tensor<2x2xf32>):
      %p = "graph.matmul"(%v, %v) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["2"]} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
      "graph.yield"(%p, %p) : (tensor<2x2xf32>, tensor<2x2xf32>) -> ()
    }) {counter = "v_n1", extent = "3"} : (tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<3x2x2xf32>)
    func.return %a, %s : tensor<2x2xf32>, tensor<3x2x2xf32>
  }
}
