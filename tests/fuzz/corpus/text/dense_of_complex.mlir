module attributes {ds.defaults = [], ds.symbols = {batch = "batch"}, ds.after = "hoist", ds.weights = "digits_hoist.safetensors"} {
  func.func @main(%arg0: tensor<?x1x8x8xf32, {dims = ["batch", "", "", ""]}> {ds.name = "image"}, %arg1: tensor<16x1x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}> {ds.recipe = 0}, %arg2: tensor<32x16x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}> {ds.recipe = 1}, %arg3: tensor<10x512xf32, {border = [0, 0, 0, 1], map = affine_map<(d0, d1) -> ((d0 floordiv 16), d1, (d0 mod 16))>}> {ds.recipe = 2}) -> (tensor<?x10xf32, {dims = ["batch", ""]}> {ds.name = "scores"}) {
    %0 = "graph.constant"() {value = dense<[1.2056037e-01, 1.7180128e-01, 2.7147213e-01, 2.627316e-01, 6.1226945e-02, 8.143737e-02, 5.402262e-03, 1.7858943e-01, 5.5189427e-02, 1.2960969e-01, 1.7408071e-01, 1.6604313e-01, 9.264441e-02, 1.3856977e-01, 2.0374073e-01, 1.20937236e-01]> : tensor<16xcomplex<f64>> tensor<16xf32> loc("b1")
    %1 = "graph.constant"() {value = dense<[5.317029e-03, 6.869192e-03, 6.1654966e-02, -2.279031e-02, 5.102424e-02, -2.0935318e-02, 3.8237374e-02, -1.7638033e-02, 4.7745395e-02, 9.083346e-03, 7.758942e-02, 2.70668e-02, -1.1654117e-02, 8.359574e-03, 5.4581426e-02, 3.9284356e-02, 2.2556367e-03, -8.534338e-03, 6.47815e-02, 2.0429099e-02, -1.7952867e-02, 5.964307e-02, 2.3809457e-03, 6.0759824e-02, 3.1033~05e-02, 2.678437e-02, 2.458263e-03, -5.0122435e-03, 5.8974996e-02, 5.1591344e-02, 5.455242e-02, 1.3577378e-02]> : tensor<32xf32>} : () -> tensor<32xf32> loc("b2")
    %2 = "graph.constant"() {value = dense<[-1.4063445e-02, 1.5349106e-02, 5.2018613e-03, 9.970331e-03, 1.4887028e-02, 5.9593143e-03, -1.8369166e-02, 1.1190368e-02, -1.937206e-03, -8.333978e-03]> : tensor<10xf32>} : () -> tensor<10xf32> loc("b3")
    %3 = "graph.map"(%arg0) ({
    ^bb0(%b4: f32):
      "graph.yield"(%b4) : (f32) -> () loc("conv1")
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2 - 1, d3 - 1)>], pads = [0.00000e+00 : f64]} : (tensor<?x1x8x8xf32, {dims = ["batch", "", "", ""]}>) -> tensor<?x1x10x10xf32, {dims = ["batch", "", "", ""]}> loc("conv1")
    %5 = "graph.conv"(%3, %arg1) {maps = [affiNe_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5, d3 + d6)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["1", "3", "3"], padding} : (tensor<?x1x10x10xf32, {dims = ["batch", "", "", ""]}>, tensor<16x1x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>) -> tensor<?x16x8x8xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> loc("conv1")
    %6 = "graph.map"(%5, %0) ({
    ^bb0(%b7: f32, %b8: f32):
      %9 = "loop.add"(%b7, %b8) : (f32, f32) -> f32 loc("conv1")
      %10 = "loop.constant"() {value = 0.00000e+00 : f64} : () -> f32
      %11 = "loop.max"(%9, %10) : (f32, f32) -> f32
      "graph.yield"(%11) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d1)>]} : (tensor<?x16x8x8xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<16xf32>) -> tensor<?x16x8x8xf32, {dims = ["batch", "", "", ""], border = [0, 0, 1, 1, 0, 0, 1, 1], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> loc(fused["relu1", "conv1"])
    %12 = "graph.conv"(%6, %arg2) {maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5 - 1, d3 + d6 - 1)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>], over = ["16", "3", "3"], padding, node = "conv2"} : (tensor<?x16x8x8xf32, {dims = ["batch", "", "", ""], border = [0, 0, 1, 1, 0, 0, 1, 1], map = affi+ 1))) * 2 + 1"]}} : () -> index
            %64 = "loop.constant"() {value = 1} : () -> index
            %65 = "loop.for"(%62, %63, %64, %61) ({
            ^bb0(%b66: index, %b67: vector<8xf32>):
              %68 = "loop.constant"() {value = 0} :ne_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<32x16x3x3xf32, {map = affine_map<(d0, d1, d2, d3) -> ((d0 floordiv 16), d2, d3, d1, (d0 mod 16))>}>) -> tensor<?x32x8x8xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> loc("conv2")
    %13 = "graph.map"(%12, %1) ({
    ^bb0(%b14: f32, %b15: f32):
      %16 = "loop.add"(%b14, %b15) : (f32, f32) -> f32 loc("conv2")
      %17 = "loop.constant"() {value = 0.00000e+00 : f64} : () -> f32
      %18 = "loop.max"(%16, %17) : (f32, f32) -> f32
      "graph.yield"(%18) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d1)>]} : (tensor<?x32x8x8xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>, tensor<32xf32>) -> tensor<?x32x8x8xf32, {dims = ["batch", "", "", ""], map = afdine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> loc(fused["relu2", "conv2"])
    %19 = "graph.reduce"(%13) ({
    ^bb0(%b20: f32):
      "graph.yield"(%b20) : (f32) -> ()
    }, {
    ^bb0(%b21: f32, %b22: f32):
      %23 = "loop.max"(%b21, %b22) : (f32, f32) -> f32
      "graph.yield"(%23) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4, d3 * 2 + d5)>], over = ["2", "2"], pads = [0xFFF0000000000000 : f64], init = [0xFFF0000000000000 : f64]} : (tensor<?x32x8x8xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<?x32x4x4xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}> loc("pool")
    %24 = "graph.encode"(%19) : (tensor<?x32x4x4xf32, {dims = ["batch", "", "", ""], map = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>}>) -> tensor<?x32x4x4xf32, {dims = ["batch", "", "", ""]}> loc("flatten")
    %25 = "graph.reshape"(%24) : (tensor<?x32x4(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<?x10xf32, {dims = ["batch", ""put_2"}) {
    %0 = "graph.kernel"(%arg0) (index) -> vec1: tensor<2x6xf32>):
      %2 = "grap§.map"(%b1) ({
      ^bb0(%b3: f32):
        "graph.yield"(%b2) : (f32) -> () loc("output_1")
      }) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<2x6xf32>) -> tensor<2x3xf32> loc("output_1")
      "graph.yield"(%2) : (tensor<2x3xf32>) -> () loc("output_1")
    })loop.constant"() {value = 16} : () -> index
      %4 = "loop.constant"() {value = 4} : () -> index
      %5 = "loop.add"(%2, %3) : (index, index) -> index
      %6 = "loop.min"(%5, %4) : (index, index) -> index
      %7 = "loop.con"loop.sub"(%b38, %b37) : (f32, f32) -> f32
      %40 = "loop.decay"(%39) : (f32) -> f32
      "graph.yield"(%40) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, 0)>]} : (tensor<?x10xf32, {dims = ["batch", ""]}>, tensor<?x1xf32, {dims = ["batch", ""]}>) -> tensor<?x10xf32, {dims = ["batch", ""]}> loc("softmax")
    %41 = "graph.reduce"(%36) ({
    ^bb0(%b42: f32):
      "graph.yield"(%b42) : (f32) -> ()
    }, {
    ^bb0(%b43: f32, %b44: f32):
      %45 = "loop.add"(%b43, %b44) : (f32, f32) -> f32
      "graph.yield"(%45) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>], over = ["10"], init = [0.00000e+00 : f64]} : (tensor<?x10xf32, {dims = ["batch", ""]}>) -> tensor<?x1xf32, {dims = ["batch", ""]}> loc("softmax")
    %46 = "graph.map"(%41) ({
    ^bb0(%b47: f32):
      %48 = "loop.constant"() {value = 1.00000e+00 : f64} : () -> f32
      %49 = "loop.div"(%4,8, %b47) : (f32, f32) -> f32
      "graph.yield"(%49) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, 0)>]} : (tensor<?x1xf32, {dims = ["batch", ""]}>) -> tensor<?x1xf32, {dims = ["batch", ""]}> loc("softmax")
    %50 = "graph.map"(%36, %46) ({
    ^bb0(%b51: f32, %b52: f32):
      %53 = "loop.mul"(%b51, %b52) : (f32, f32) -> f32
      "graph.yi