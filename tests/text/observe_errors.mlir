// RUN: not dsc opt --verify-each %s 2>&1 | FileCheck %s

// What is asked for has to be a word of passes/observe.h.
// CHECK: error: 'ds.observe' says nothing that can be observed
module attributes {ds.observe = "everything"} {
  func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
    func.return %x : tensor<4xf32>
  }
}
