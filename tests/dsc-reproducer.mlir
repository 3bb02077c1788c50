// dsc opt --passes=lower --verify-each dsc-reproducer.mlir
module attributes {ds.after = "schedule"} {
  func.func @main(%arg0: tensor<37x64xbf16> {ds.name = "x"}, %arg1: tensor<64x64xbf16> {ds.name = "w"}) -> (tensor<37x64xbf16> {ds.name = "k0"}) {
    %0 = "graph.kernel"(%arg0, %arg1) ({
    ^bb0(%b1: tensor<37x64xbf16>, %b2: tensor<64x64xbf16>):
      %3 = "graph.matmul"(%b1, %b2) {maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d2, d1)>], over = ["64"], kinds = ["m", "n", "k"]} : (tensor<37x64xbf16>, tensor<64x64xbf16>) -> tensor<37x64xbf16>
      "graph.yield"(%3) : (tensor<37x64xbf16>) -> ()
    }) {schedule = {levels = [{axis = "d0", kind = "grid", step = 1, tail = "guard"}, {axis = "d1", kind = "lane", step = 8, tail = "exact"}], program = "points"}} : (tensor<37x64xbf16>, tensor<64x64xbf16>) -> tensor<37x64xbf16>
    func.return %0 : tensor<37x64xbf16>
  }
}
