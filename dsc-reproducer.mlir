// dsc opt --passes=lower --verify-each dsc-reproducer.mlir
module attributes {ds.defaults = [], ds.symbols = {}} {
  func.func @main(%arg0: tensor<2x32x4x9x25xf32> {ds.name = "x0"}, %arg1: tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}> {ds.recipe = 0}) -> (tensor<2x32x4x9x25xf32> {ds.name = "y"}) {
    %0 = "graph.constant"() {value = dense<[2.2645898e-01, 5.684707e-01, 1.4647427e+00, -4.9193323e-01, 9.421659e-01, -2.2747871e-01, -4.7304702e-01, -9.010673e-01, -5.791758e-01, 1.1792128e+00, -1.4788218e+00, -1.1195347e+00, 1.9346228e-01, -6.874948e-01, 2.6616096e-01, -1.2184811e+00, -1.4640962e+00, -4.6261078e-01, -1.5562099e+00, 4.8181232e-02, -8.0568075e-01, -2.1824473e-01, 2.0445032e+00, -1.1291335e+00, 1.3216101e+00, -3.7803182e-01, 8.3871883e-01, -2.8912982e-01, 1.4943522e-01, -2.0771477e+00, -2.4684602e-01, 1.7416918e-01]> : tensor<32xf32>} : () -> tensor<32xf32> loc("b")
    %1 = "graph.kernel"(%arg0) ({
    ^bb0(%b2: tensor<2x32x4x9x25xf32>):
      %3 = "graph.map"(%b2) ({
      ^bb0(%b4: f32):
        "graph.yield"(%b4) : (f32) -> () loc("c")
      }) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2 - 2, d3 - 2, d4 - 2)>], pads = [0.00000e+00 : f64]} : (tensor<2x32x4x9x25xf32>) -> tensor<2x32x8x13x29xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}> loc("c")
      "graph.yield"(%3) : (tensor<2x32x8x13x29xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>) -> () loc("c")
    }) {shared = 0} : (tensor<2x32x4x9x25xf32>) -> tensor<2x32x8x13x29xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}> loc("c")
    %5 = "graph.kernel"(%1, %arg1, %0) ({
    ^bb0(%b6: tensor<2x32x8x13x29xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>, %b7: tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}>, %b8: tensor<32xf32>):
      %9 = "graph.conv"(%b6, %b7) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6, d7, d8) -> (d0, d1, d2 + d6, d3 + d7, d4 + d8)>, affine_map<(d0, d1, d2, d3, d4, d5, d6, d7, d8) -> (d1, 0, d6, d7, d8)>], over = ["1", "5", "5", "5"], padding} : (tensor<2x32x8x13x29xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>, tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}>) -> tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}> loc("c")
      %10 = "graph.map"(%9, %b8) ({
      ^bb0(%b11: f32, %b12: f32):
        %13 = "loop.add"(%b11, %b12) : (f32, f32) -> f32 loc("c")
        %14 = "loop.constant"() {value = 0.00000e+00 : f64} : () -> f32 loc(fused["y", "c"])
        %15 = "loop.max"(%13, %14) : (f32, f32) -> f32 loc(fused["y", "c"])
        "graph.yield"(%15) : (f32) -> () loc(fused["y", "c"])
      }) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d1)>]} : (tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>, tensor<32xf32>) -> tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}> loc(fused["y", "c"])
      "graph.yield"(%10) : (tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>) -> () loc(fused["y", "c"])
    }) {shared = 0} : (tensor<2x32x8x13x29xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>, tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}>, tensor<32xf32>) -> tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}> loc(fused["y", "c"])
    %16 = "graph.kernel"(%5) ({
    ^bb0(%b17: tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>):
      %18 = "graph.encode"(%b17) : (tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>) -> tensor<2x32x4x9x25xf32>
      "graph.yield"(%18) : (tensor<2x32x4x9x25xf32>) -> ()
    }) {shared = 0} : (tensor<2x32x4x9x25xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d3, d4, d1)>}>) -> tensor<2x32x4x9x25xf32>
    func.return %16 : tensor<2x32x4x9x25xf32>
  }
  func.func @constants(%arg0: tensor<32x1x5x5x5xf32> {ds.constant = dense_resource<w0> : tensor<32x1x5x5x5xf32>}) -> (tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}>) {
    %0 = "graph.kernel"(%arg0) ({
    ^bb0(%b1: tensor<32x1x5x5x5xf32>):
      %2 = "graph.encode"(%b1) {flush} : (tensor<32x1x5x5x5xf32>) -> tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}> loc("c")
      "graph.yield"(%2) : (tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}>) -> () loc("c")
    }) {shared = 0} : (tensor<32x1x5x5x5xf32>) -> tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}> loc("c")
    func.return %0 : tensor<32x1x5x5x5xf32, {map = affine_map<(d0, d1, d2, d3, d4) -> (d2, d3, d4, d1, d0)>}>
  }
}
