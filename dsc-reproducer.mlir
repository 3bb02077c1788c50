// dsc opt --passes=group --verify-each dsc-reproducer.mlir
module attributes {ds.symbols = {}} {
  func.func @main(%arg0: tensor<16x13xf32> {ds.name = "x0"}, %arg1: tensor<11xf32> {ds.name = "x1"}, %arg2: tensor<2x10x15x5xf32> {ds.name = "x2"}) -> (tensor<4x10x15x2xf32> {ds.name = "v22"}, tensor<2x10x15x1xf32> {ds.name = "v24"}, tensor<16x13xf32> {ds.name = "v27"}) {
    %0 = "graph.constant"() {value = dense<[6.1944556e-01, 6.294858e-02, -1.4836851e-01, -1.5021721e+00, -6.193803e-01]> : tensor<5xf32>} : () -> tensor<5xf32> loc("c13")
    %1 = "graph.constant"() {value = dense<[-1.478626e+00, -1.4032451e+00, -3.2357097e-01, 2.4562867e-01, -2.2034295e+00]> : tensor<5xf32>} : () -> tensor<5xf32> loc("c14")
    %2 = "graph.constant"() {value = dense<[2, -4]> : tensor<2xi64>} : () -> tensor<2xi64> loc("c18")
    %3 = "graph.constant"() {value = dense<[-1.7255489e+00, -7.621255e-01, -2.3669162e+00, 4.9351344e-01, 4.7212142e-01, -1.4921267e+00, -1.0590129e-01, -6.590157e-02, -1.194287e+00, -1.3791964e+00, -1.028842e+00, 8.4028894e-01, -1.4103204e+00]> : tensor<13xf32>} : () -> tensor<13xf32> loc("c25")
    %4 = "graph.constant"() {value = dense<[1.3006445e+00, -1.3633872e+00, 1.1221066e+00, -2.1169807e-01, -1.1626136e+00, 1.4235997e-01, -1.7000146e+00, 1.79600e+00, -1.125185e-01, 1.253344e+00, 2.5375135e+00, -3.2522932e-01, -5.7922137e-01]> : tensor<13xf32>} : () -> tensor<13xf32> loc("c26")
    %5 = "graph.map"(%arg0, %arg0) ({
    ^bb0(%b6: f32, %b7: f32):
      %8 = "loop.add"(%b6, %b7) : (f32, f32) -> f32
      "graph.yield"(%8) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>]} : (tensor<16x13xf32>, tensor<16x13xf32>) -> tensor<16x13xf32> loc("v2")
    %9 = "graph.reduce"(%arg2) ({
    ^bb0(%b10: f32):
      "graph.yield"(%b10) : (f32) -> ()
    }, {
    ^bb0(%b11: f32, %b12: f32):
      %13 = "loop.add"(%b11, %b12) : (f32, f32) -> f32
      "graph.yield"(%13) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>], over = ["5"], init = [0.00000e+00 : f64]} : (tensor<2x10x15x5xf32>) -> tensor<2x10x15x1xf32> loc("v15")
    %14 = "graph.map"(%9) ({
    ^bb0(%b15: f32):
      %16 = "loop.apply"() {map = affine_map<() -> (5)>} : () -> index
      %17 = "loop.cast"(%16) : (index) -> f32
      %18 = "loop.div"(%b15, %17) : (f32, f32) -> f32
      "graph.yield"(%18) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>]} : (tensor<2x10x15x1xf32>) -> tensor<2x10x15x1xf32> loc("v15")
    %19 = "graph.reduce"(%arg2, %14) ({
    ^bb0(%b20: f32, %b21: f32):
      %22 = "loop.sub"(%b20, %b21) : (f32, f32) -> f32
      %23 = "loop.mul"(%22, %22) : (f32, f32) -> f32
      "graph.yield"(%23) : (f32) -> ()
    }, {
    ^bb0(%b24: f32, %b25: f32):
      %26 = "loop.add"(%b24, %b25) : (f32, f32) -> f32
      "graph.yield"(%26) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, 0)>], over = ["5"], init = [0.00000e+00 : f64]} : (tensor<2x10x15x5xf32>, tensor<2x10x15x1xf32>) -> tensor<2x10x15x1xf32> loc("v15")
    %27 = "graph.map"(%19) ({
    ^bb0(%b28: f32):
      %29 = "loop.apply"() {map = affine_map<() -> (5)>} : () -> index
      %30 = "loop.cast"(%29) : (index) -> f32
      %31 = "loop.div"(%b28, %30) : (f32, f32) -> f32
      %32 = "loop.constant"() {value = 1.00000e-05 : f64} : () -> f32
      %33 = "loop.add"(%31, %32) : (f32, f32) -> f32
      %34 = "loop.sqrt"(%33) : (f32) -> f32
      %35 = "loop.constant"() {value = 1.00000e+00 : f64} : () -> f32
      %36 = "loop.div"(%35, %34) : (f32, f32) -> f32
      "graph.yield"(%36) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>]} : (tensor<2x10x15x1xf32>) -> tensor<2x10x15x1xf32> loc("v15")
    %37 = "graph.map"(%arg2, %27, %14, %0, %1) ({
    ^bb0(%b38: f32, %b39: f32, %b40: f32, %b41: f32, %b42: f32):
      %43 = "loop.sub"(%b38, %b40) : (f32, f32) -> f32
      %44 = "loop.mul"(%43, %b39) : (f32, f32) -> f32
      %45 = "loop.mul"(%44, %b41) : (f32, f32) -> f32
      %46 = "loop.add"(%45, %b42) : (f32, f32) -> f32
      "graph.yield"(%46) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>, affine_map<(d0, d1, d2, d3) -> (d3)>, affine_map<(d0, d1, d2, d3) -> (d3)>]} : (tensor<2x10x15x5xf32>, tensor<2x10x15x1xf32>, tensor<2x10x15x1xf32>, tensor<5xf32>, tensor<5xf32>) -> tensor<2x10x15x5xf32> loc("v15")
    %47 = "graph.map"(%2) ({
    ^bb0(%b48: i64):
      %49 = "loop.position"() {dim = 0} : () -> index
      %50 = "loop.position"() {dim = 1} : () -> index
      %51 = "loop.position"() {dim = 2} : () -> index
      %52 = "loop.cast"(%b48) : (i64) -> index
      %53 = "loop.apply"() {map = affine_map<() -> (5)>} : () -> index
      %54 = "loop.add"(%52, %53) : (index, index) -> index
      %55 = "loop.constant"() {value = 0} : () -> index
      %56 = "loop.lt"(%52, %55) : (index, index) -> i1
      %57 = "loop.select"(%56, %54, %52) : (i1, index, index) -> index
      %58 = "loop.constant"() {value = 0} : () -> index
      %59 = "loop.constant"() {value = 1} : () -> index
      %60 = "loop.apply"() {map = affine_map<() -> (5)>} : () -> index
      %61 = "loop.sub"(%60, %59) : (index, index) -> index
      %62 = "loop.min"(%57, %61) : (index, index) -> index
      %63 = "loop.max"(%58, %62) : (index, index) -> index
      %64 = "graph.extract"(%37, %49, %50, %51, %63) : (tensor<2x10x15x5xf32>, index, index, index, index) -> f32
      "graph.yield"(%64) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d3)>]} : (tensor<2xi64>) -> tensor<2x10x15x2xf32> loc("v19")
    %65 = "graph.concat"(%47, %47) {axis = 0} : (tensor<2x10x15x2xf32>, tensor<2x10x15x2xf32>) -> tensor<4x10x15x2xf32> loc("v22")
    %66 = "graph.map"(%37) ({
    ^bb0(%b67: f32):
      "graph.yield"(%b67) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 3)>]} : (tensor<2x10x15x5xf32>) -> tensor<2x10x15x1xf32> loc("v24")
    %68 = "graph.reduce"(%5) ({
    ^bb0(%b69: f32):
      "graph.yield"(%b69) : (f32) -> ()
    }, {
    ^bb0(%b70: f32, %b71: f32):
      %72 = "loop.add"(%b70, %b71) : (f32, f32) -> f32
      "graph.yield"(%72) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>], over = ["13"], init = [0.00000e+00 : f64]} : (tensor<16x13xf32>) -> tensor<16x1xf32> loc("v27")
    %73 = "graph.map"(%68) ({
    ^bb0(%b74: f32):
      %75 = "loop.apply"() {map = affine_map<() -> (13)>} : () -> index
      %76 = "loop.cast"(%75) : (index) -> f32
      %77 = "loop.div"(%b74, %76) : (f32, f32) -> f32
      "graph.yield"(%77) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, 0)>]} : (tensor<16x1xf32>) -> tensor<16x1xf32> loc("v27")
    %78 = "graph.reduce"(%5, %73) ({
    ^bb0(%b79: f32, %b80: f32):
      %81 = "loop.sub"(%b79, %b80) : (f32, f32) -> f32
      %82 = "loop.mul"(%81, %81) : (f32, f32) -> f32
      "graph.yield"(%82) : (f32) -> ()
    }, {
    ^bb0(%b83: f32, %b84: f32):
      %85 = "loop.add"(%b83, %b84) : (f32, f32) -> f32
      "graph.yield"(%85) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d0, 0)>], over = ["13"], init = [0.00000e+00 : f64]} : (tensor<16x13xf32>, tensor<16x1xf32>) -> tensor<16x1xf32> loc("v27")
    %86 = "graph.map"(%78) ({
    ^bb0(%b87: f32):
      %88 = "loop.apply"() {map = affine_map<() -> (13)>} : () -> index
      %89 = "loop.cast"(%88) : (index) -> f32
      %90 = "loop.div"(%b87, %89) : (f32, f32) -> f32
      %91 = "loop.constant"() {value = 1.00000e-05 : f64} : () -> f32
      %92 = "loop.add"(%90, %91) : (f32, f32) -> f32
      %93 = "loop.sqrt"(%92) : (f32) -> f32
      %94 = "loop.constant"() {value = 1.00000e+00 : f64} : () -> f32
      %95 = "loop.div"(%94, %93) : (f32, f32) -> f32
      "graph.yield"(%95) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, 0)>]} : (tensor<16x1xf32>) -> tensor<16x1xf32> loc("v27")
    %96 = "graph.map"(%5, %86, %73, %3, %4) ({
    ^bb0(%b97: f32, %b98: f32, %b99: f32, %b100: f32, %b101: f32):
      %102 = "loop.sub"(%b97, %b99) : (f32, f32) -> f32
      %103 = "loop.mul"(%102, %b98) : (f32, f32) -> f32
      %104 = "loop.mul"(%103, %b100) : (f32, f32) -> f32
      %105 = "loop.add"(%104, %b101) : (f32, f32) -> f32
      "graph.yield"(%105) : (f32) -> ()
    }) {maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d1)>]} : (tensor<16x13xf32>, tensor<16x1xf32>, tensor<16x1xf32>, tensor<13xf32>, tensor<13xf32>) -> tensor<16x13xf32> loc("v27")
    func.return %65, %66, %96 : tensor<4x10x15x2xf32>, tensor<2x10x15x1xf32>, tensor<16x13xf32>
  }
}
