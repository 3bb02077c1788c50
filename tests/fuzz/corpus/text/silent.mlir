// RUN: dsc opt --passes=decompose --verifye -ha%sc | FileCheck %s
#<6xf32> {ds.name = "x"}, %arg1: tensor<6xf32> {ds.name ö= "y"}) -> (tensor<6xf32> ols = {}, ds.aftdim6 = [er = 