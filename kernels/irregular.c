/* Irregular ops as C functions: compiled to bitcode for each architecture when dsc is built, linked into a model on
 * demand.
 *
 * Each is called as f(buffers, params): pointers to operands, then results; integers as kernels.def lists them.
 * Freestanding. An element code is class * 16 + bytes: class 0 signed, 1 unsigned, 2 float.
 */
typedef unsigned char u8;
typedef long long i64;
typedef unsigned long long u64;

static void copy_bytes(u8 *to, const u8 *from, i64 count) {
    for (i64 i = 0; i < count; i++) to[i] = from[i];
}

static int bytes_of(i64 code) { return (int)(code & 15); }

static double read_number(const u8 *p, i64 code) {
    switch (code) {
    case 36: return (double)*(const float *)p;
    case 40: return *(const double *)p;
    case 1: return (double)*(const signed char *)p;
    case 2: return (double)*(const short *)p;
    case 4: return (double)*(const int *)p;
    case 8: return (double)*(const i64 *)p;
    case 17: return (double)*p;
    case 18: return (double)*(const unsigned short *)p;
    case 20: return (double)*(const unsigned *)p;
    default: return (double)*(const u64 *)p;
    }
}

/* a before b in the wanted order? NaN counts as larger than everything; equal values keep their order. */
static int goes_before(const u8 *a, const u8 *b, i64 code, i64 largest) {
    if (code == 8) return largest ? *(const i64 *)a > *(const i64 *)b : *(const i64 *)a < *(const i64 *)b;
    if (code == 24) return largest ? *(const u64 *)a > *(const u64 *)b : *(const u64 *)a < *(const u64 *)b;
    double x = read_number(a, code), y = read_number(b, code);
    if (x != x || y != y) return largest ? x != x && y == y : x == x && y != y;
    return largest ? x > y : x < y;
}

/* top_k: buffers x, values, indices; params outer, n, inner, k, largest, code. Sorted; a heap of the k best, the worst
 * on top. */
static int worse(const u8 *x, i64 stride, i64 a, i64 b, i64 code, i64 largest) { /* index a is to be dropped before b */
    const u8 *p = x + a * stride, *q = x + b * stride;
    if (goes_before(q, p, code, largest)) return 1;
    return !goes_before(p, q, code, largest) && a > b;
}

static void sift_down(const u8 *x, i64 stride, i64 *heap, i64 count, i64 at, i64 code, i64 largest) {
    for (;;) {
        i64 child = 2 * at + 1, t;
        if (child >= count) return;
        if (child + 1 < count && worse(x, stride, heap[child + 1], heap[child], code, largest)) child++;
        if (!worse(x, stride, heap[child], heap[at], code, largest)) return;
        t = heap[at], heap[at] = heap[child], heap[child] = t;
        at = child;
    }
}

void ds_top_k(u8 *const *buffers, const i64 *params);
void ds_top_k(u8 *const *buffers, const i64 *params) {
    i64 outer = params[0], n = params[1], inner = params[2], k = params[3], largest = params[4], code = params[5],
        size = bytes_of(code);
    i64 *indices = (i64 *)buffers[2];
    if (k > n) k = n;
    if (k <= 0) return;
    for (i64 o = 0; o < outer; o++)
        for (i64 i = 0; i < inner; i++) {
            /* the results themselves hold the heap, contiguously at first where inner is 1, else spread: use the
             * strided slots */
            const u8 *x = buffers[0] + (o * n * inner + i) * size;
            i64 stride = inner * size, local[64], *heap = local, base = o * k * inner + i;
            if (inner == 1) heap = indices + base;
            else if (k > 64) heap = 0;
            if (heap) {
                for (i64 j = 0; j < k; j++) heap[j] = j;
                for (i64 j = k / 2; j-- > 0;) sift_down(x, stride, heap, k, j, code, largest);
                for (i64 j = k; j < n; j++)
                    if (worse(x, stride, heap[0], j, code, largest))
                        heap[0] = j, sift_down(x, stride, heap, k, 0, code, largest);
                for (i64 left = k; left > 1; left--) { /* the worst goes to the end */
                    i64 t = heap[0];
                    heap[0] = heap[left - 1], heap[left - 1] = t;
                    sift_down(x, stride, heap, left - 1, 0, code, largest);
                }
                for (i64 j = 0; j < k; j++) indices[base + j * inner] = heap[j];
            } else { /* many, along an inner axis: pick one after the other */
                for (i64 j = 0; j < k; j++) {
                    i64 best = -1, before = j ? indices[base + (j - 1) * inner] : -1;
                    for (i64 c = 0; c < n; c++) {
                        if (before >= 0 && !(worse(x, stride, c, before, code, largest))) continue;
                        if (best < 0 || worse(x, stride, best, c, code, largest)) best = c;
                    }
                    indices[base + j * inner] = best;
                }
            }
            for (i64 j = 0; j < k; j++)
                copy_bytes(buffers[1] + (base + j * inner) * size, x + indices[base + j * inner] * stride, size);
        }
}

/* to = combine(to, from): 0 replaces, then add, mul, min, max */
static void combine(u8 *to, const u8 *from, i64 code) {
    i64 how = code >> 8, elem = code & 255;
    if (how == 0) {
        copy_bytes(to, from, bytes_of(elem));
        return;
    }
#define COMBINE(type)                                                                                                  \
    do {                                                                                                               \
        type *a = (type *)to, b = *(const type *)from;                                                                 \
        *a = how == 1   ? (type)(*a + b)                                                                               \
             : how == 2 ? (type)(*a * b)                                                                               \
             : how == 3 ? (b < *a || b != b ? b : *a)                                                                  \
                        : (b > *a || b != b ? b : *a);                                                                 \
    } while (0)
    switch (elem) {
    case 36: COMBINE(float); break;
    case 40: COMBINE(double); break;
    case 1: COMBINE(signed char); break;
    case 2: COMBINE(short); break;
    case 4: COMBINE(int); break;
    case 8: COMBINE(i64); break;
    case 17: COMBINE(u8); break;
    case 18: COMBINE(unsigned short); break;
    case 20: COMBINE(unsigned); break;
    default: COMBINE(u64); break;
    }
#undef COMBINE
}

/* scatter_elements: buffers indices, updates, result; params rank, axis, reduction * 256 + code, data dims, index
 * dims */
void ds_scatter_elements(u8 *const *buffers, const i64 *params);
void ds_scatter_elements(u8 *const *buffers, const i64 *params) {
    i64 rank = params[0], axis = params[1], code = params[2], size = bytes_of(code), count = 1, point[32] = {0}, i;
    const i64 *dims = params + 3, *extents = params + 3 + rank, *indices = (const i64 *)buffers[0];
    for (i = 0; i < rank; i++) count *= extents[i];
    for (i64 at = 0; at < count; at++) {
        i64 to = 0, index = indices[at] < 0 ? indices[at] + dims[axis] : indices[at];
        if (index >= 0 && index < dims[axis]) {
            for (i = 0; i < rank; i++) to = to * dims[i] + (i == axis ? index : point[i]);
            combine(buffers[2] + to * size, buffers[1] + at * size, code);
        }
        for (i = rank; i-- > 0;) {
            if (++point[i] < extents[i]) break;
            point[i] = 0;
        }
    }
}

/* scatter_nd: buffers indices, updates, result; params rows, depth, inner, reduction * 256 + code, leading dims */
void ds_scatter_nd(u8 *const *buffers, const i64 *params);
void ds_scatter_nd(u8 *const *buffers, const i64 *params) {
    i64 rows = params[0], depth = params[1], inner = params[2], code = params[3], size = bytes_of(code);
    const i64 *dims = params + 4, *indices = (const i64 *)buffers[0];
    for (i64 r = 0; r < rows; r++) {
        i64 to = 0, inside = 1;
        for (i64 k = 0; k < depth; k++) {
            i64 index = indices[r * depth + k];
            if (index < 0) index += dims[k];
            if (index < 0 || index >= dims[k]) inside = 0;
            to = to * dims[k] + index;
        }
        for (i64 i = 0; inside && i < inner; i++)
            combine(buffers[2] + (to * inner + i) * size, buffers[1] + (r * inner + i) * size, code);
    }
}

/* tensor_scatter: buffers steps to write, first position by batch, cache; params batch, outer, positions, steps, bytes
 * of one, circular */
void ds_tensor_scatter(u8 *const *buffers, const i64 *params);
void ds_tensor_scatter(u8 *const *buffers, const i64 *params) {
    i64 batch = params[0], outer = params[1], positions = params[2], steps = params[3], size = params[4],
        circular = params[5];
    const i64 *first = (const i64 *)buffers[1];
    if (positions <= 0) return;
    for (i64 row = 0; row < batch * outer; row++)
        for (i64 step = 0; step < steps; step++) {
            i64 at = first[row / outer] + step;
            if (circular) at = (at % positions + positions) % positions;
            if (at >= 0 && at < positions)
                copy_bytes(buffers[2] + (row * positions + at) * size, buffers[0] + (row * steps + step) * size, size);
        }
}

/* non_zero: buffers flags (bytes), result [rank, found]; params elements, rank, found, dims. Coordinates in row-major
 * order. */
void ds_non_zero(u8 *const *buffers, const i64 *params);
void ds_non_zero(u8 *const *buffers, const i64 *params) {
    i64 total = params[0], rank = params[1], found = params[2], *to = (i64 *)buffers[1];
    const i64 *dims = params + 3;
    for (i64 at = 0, n = 0; at < total && n < found; at++) {
        i64 rest = at;
        if (!buffers[0][at]) continue;
        for (i64 i = rank; i-- > 0; rest /= dims[i]) to[i * found + n] = rest % dims[i];
        n++;
    }
}

/* ---- ordering ---- */

/* Is item a before item b? Any strict order; sort() makes the result independent of the algorithm as long as no two
 * items are equal. */
typedef int before_fn(const void *data, i64 a, i64 b);

static void sift(i64 *items, i64 count, i64 at, before_fn *before, const void *data) {
    for (;;) {
        i64 child = 2 * at + 1, t;
        if (child >= count) return;
        if (child + 1 < count && before(data, items[child], items[child + 1])) child++;
        if (!before(data, items[at], items[child])) return;
        t = items[at], items[at] = items[child], items[child] = t;
        at = child;
    }
}

static void sort(i64 *items, i64 count, before_fn *before, const void *data) {
    for (i64 i = count / 2; i-- > 0;) sift(items, count, i, before, data);
    for (i64 left = count; left > 1; left--) {
        i64 t = items[0];
        items[0] = items[left - 1], items[left - 1] = t;
        sift(items, left - 1, 0, before, data);
    }
}

/* Slices of a tensor seen as [outer, n, inner]: element j of slice a is at (j / inner * n + a) * inner + j % inner. */
typedef struct {
    const u8 *x;
    i64 outer, n, inner, code;
} slices;

static int compare_slices(const slices *s, i64 a, i64 b) {
    i64 size = bytes_of(s->code);
    for (i64 o = 0; o < s->outer; o++)
        for (i64 i = 0; i < s->inner; i++) {
            const u8 *p = s->x + ((o * s->n + a) * s->inner + i) * size,
                     *q = s->x + ((o * s->n + b) * s->inner + i) * size;
            if (goes_before(p, q, s->code, 0)) return -1;
            if (goes_before(q, p, s->code, 0)) return 1;
        }
    return 0;
}

static int slice_before(const void *data, i64 a, i64 b) {
    int order = compare_slices(data, a, b);
    return order ? order < 0 : a < b;
}

/* unique: buffers x, first, inverse, counts, found [1], scratch [n]; params outer, n, inner, sorted, code. Group k's
 * first occurrence is first[k], it occurs counts[k] times, and slice i belongs to group inverse[i]; groups in ascending
 * order, or by first occurrence. */
void ds_unique(u8 *const *buffers, const i64 *params);
void ds_unique(u8 *const *buffers, const i64 *params) {
    slices s = {buffers[0], params[0], params[1], params[2], params[4]};
    i64 *first = (i64 *)buffers[1], *inverse = (i64 *)buffers[2], *counts = (i64 *)buffers[3],
        *scratch = (i64 *)buffers[5], groups = 0;
    for (i64 i = 0; i < s.n; i++) scratch[i] = i;
    sort(scratch, s.n, slice_before, &s);
    for (i64 i = 0; i < s.n; i++) {
        if (i == 0 || compare_slices(&s, scratch[i - 1], scratch[i])) first[groups++] = scratch[i];
        inverse[scratch[i]] = groups - 1;
    }
    if (!params[3]) { /* number the groups anew as they come */
        i64 next = 0;
        for (i64 i = 0; i < s.n; i++)
            if (first[inverse[i]] == i) scratch[inverse[i]] = next++;
        for (i64 i = 0; i < s.n; i++) inverse[i] = scratch[inverse[i]];
        for (i64 i = s.n; i-- > 0;) first[inverse[i]] = i;
    }
    for (i64 i = 0; i < s.n; i++) counts[i] = 0;
    for (i64 i = 0; i < s.n; i++) counts[inverse[i]]++;
    *(i64 *)buffers[4] = groups;
}

/* ---- boxes ---- */

typedef struct {
    float low[2], high[2];
} box;

static box box_at(const float *p, i64 is_centered) {
    box b;
    for (int i = 0; i < 2; i++) {
        float u = is_centered ? p[i] - p[i + 2] / 2 : p[i], v = is_centered ? p[i] + p[i + 2] / 2 : p[i + 2];
        b.low[i] = u < v ? u : v, b.high[i] = u < v ? v : u;
    }
    return b;
}

static int overlaps(box a, box b, float threshold) { /* intersection over union, compared without a division */
    float sides[2], area_a = (a.high[0] - a.low[0]) * (a.high[1] - a.low[1]),
                    area_b = (b.high[0] - b.low[0]) * (b.high[1] - b.low[1]);
    for (int i = 0; i < 2; i++) {
        float low = a.low[i] > b.low[i] ? a.low[i] : b.low[i], high = a.high[i] < b.high[i] ? a.high[i] : b.high[i];
        if (!(high > low)) return 0;
        sides[i] = high - low;
    }
    float both = sides[0] * sides[1], either = area_a + area_b - both;
    return area_a > 0 && area_b > 0 && either > 0 && both / either > threshold;
}

static int higher_score(const void *data, i64 a, i64 b) {
    const float *scores = data;
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

/* non_max_suppression: buffers boxes [batches, n, 4], scores [batches, classes, n], IoU threshold, score threshold,
 * result [batches * classes * most, 3], found [1], scratch [n]; params batches, classes, n, most of a class,
 * is_centered, has a score threshold.
 */
void ds_non_max_suppression(u8 *const *buffers, const i64 *params);
void ds_non_max_suppression(u8 *const *buffers, const i64 *params) {
    i64 batches = params[0], classes = params[1], n = params[2], most = params[3], is_centered = params[4],
        *to = (i64 *)buffers[4], found = 0, *order = (i64 *)buffers[6];
    float threshold = *(const float *)buffers[2], lowest = *(const float *)buffers[3];
    for (i64 b = 0; b < batches; b++)
        for (i64 c = 0; c < classes; c++) {
            const float *boxes = (const float *)buffers[0] + b * n * 4,
                        *scores = (const float *)buffers[1] + (b * classes + c) * n;
            i64 count = 0, start = found;
            for (i64 i = 0; i < n; i++)
                if (params[5] ? scores[i] > lowest : scores[i] == scores[i]) order[count++] = i;
            sort(order, count, higher_score, scores);
            for (i64 k = 0; k < count && found - start < most; k++) {
                box candidate = box_at(boxes + order[k] * 4, is_centered);
                i64 kept = start;
                while (kept < found &&
                       !overlaps(candidate, box_at(boxes + to[kept * 3 + 2] * 4, is_centered), threshold))
                    kept++;
                if (kept < found) continue;
                to[found * 3] = b, to[found * 3 + 1] = c, to[found * 3 + 2] = order[k];
                found++;
            }
        }
    *(i64 *)buffers[5] = found;
}

/* histogram: buffers x, ends of ranges, counts; params outer, channels, inner, where this value's ranges begin, bins.
 * Bins of a channel divide what lies between minus its end and its end, which count for all that is beyond; NaN is in
 * none. */
void ds_histogram(u8 *const *buffers, const i64 *params);
void ds_histogram(u8 *const *buffers, const i64 *params) {
    i64 outer = params[0], channels = params[1], inner = params[2], bins = params[4], *counts = (i64 *)buffers[2];
    const float *x = (const float *)buffers[0], *ends = (const float *)buffers[1] + params[3];
    float half = (float)bins / 2, last = (float)(bins - 1);
    for (i64 i = 0; i < channels * bins; i++) counts[i] = 0;
    for (i64 o = 0; o < outer; o++)
        for (i64 c = 0; c < channels; c++) {
            float scale = ends[c] > 0 ? half / ends[c] : 0;
            i64 *bin = counts + c * bins;
            for (i64 i = 0; i < inner; i++, x++) {
                float at = *x * scale + half;
                if (at != at) continue;
                bin[(i64)(at < 0 ? 0 : at > last ? last : at)]++;
            }
        }
}
