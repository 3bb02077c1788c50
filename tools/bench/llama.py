"""Decoders for llama.cpp: a GGUF file of the shapes of an ONNX model, with random weights of 4 bits (Q4_0), and the milliseconds of a token.

Needs gguf and llama-cpp-python from PyPI (which builds llama.cpp for this machine).
"""
from pathlib import Path

import numpy as np

# by the stem of an ONNX file whose products are MatMulNBits
MODELS = {"qwen2_0.5b_kv_q4": dict(arch="qwen2", layers=24, width=896, hidden=4864, heads=14, kv_heads=2, vocab=151936)}
BLOCK, BLOCK_BYTES = 32, 18  # of Q4_0: a scale of 16 bits and 32 numbers of 4


def weights(rng, rows, columns):
    """Rows of blocks, as they lie in the file."""
    blocks = rng.integers(0, 256, (rows, columns // BLOCK, BLOCK_BYTES), dtype=np.uint8)
    blocks[:, :, :2] = np.frombuffer(np.float16(0.01).tobytes(), dtype=np.uint8)
    return blocks.reshape(rows, -1)


def write(path, arch, layers, width, hidden, heads, kv_heads, vocab):
    import gguf
    rng, q4 = np.random.default_rng(1), gguf.GGMLQuantizationType.Q4_0
    w = gguf.GGUFWriter(path, arch)
    w.add_context_length(4096), w.add_embedding_length(width), w.add_block_count(layers), w.add_feed_forward_length(hidden)
    w.add_head_count(heads), w.add_head_count_kv(kv_heads), w.add_layer_norm_rms_eps(1e-6), w.add_rope_freq_base(1e6)
    w.add_vocab_size(vocab), w.add_tokenizer_model("no_vocab"), w.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    kv = width // heads * kv_heads
    ones = np.ones(width, np.float32)
    for name in ("token_embd", "output"):
        w.add_tensor(name + ".weight", weights(rng, vocab, width), raw_dtype=q4)
    w.add_tensor("output_norm.weight", ones)
    for i in range(layers):
        at = "blk.%d." % i
        w.add_tensor(at + "attn_norm.weight", ones), w.add_tensor(at + "ffn_norm.weight", ones)
        for name, rows, columns in (("attn_q", width, width), ("attn_k", kv, width), ("attn_v", kv, width), ("attn_output", width, width),
                                    ("ffn_gate", hidden, width), ("ffn_up", hidden, width), ("ffn_down", width, hidden)):
            w.add_tensor(at + name + ".weight", weights(rng, rows, columns), raw_dtype=q4)
        for name, rows in (("attn_q", width), ("attn_k", kv), ("attn_v", kv)):
            w.add_tensor(at + name + ".bias", np.zeros(rows, np.float32))
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def token(model, past, tokens, threads, cache, timed):
    """`timed` of a call that puts `tokens` behind `past` others."""
    from llama_cpp import Llama
    name = Path(model).stem
    if name not in MODELS:
        raise RuntimeError("no GGUF of these shapes")
    path = Path(cache) / (name + ".gguf")
    if not path.exists():
        write(path, **MODELS[name])
    llm = Llama(str(path), n_ctx=2048, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    if past:
        llm.eval([1 + i % 1000 for i in range(past)])

    def call():
        llm.n_tokens = past  # what was behind it is forgotten
        llm.eval([7 + i % 1000 for i in range(tokens)])
    return timed(call)
