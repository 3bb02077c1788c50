/* Embeds two compiled models in one program, single-threaded, on libdsrt's pool and on one that the program brings; the
 * results must have the same bits. Also built as C++. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "twin.h"
#include "libdsrt.h"

static int run(ds_pool *pool, float *image, size_t batch, float *scores) {
    uint64_t bytes = digits_arena_bytes((int64_t)batch, pool ? pool->concurrency : 1);
    void *arena = aligned_alloc(64, (bytes + 127) / 64 * 64);
    ds_context context;
    digits_args args;
    memset(&context, 0, sizeof context);
    memset(&args, 0, sizeof args);
    context.size = sizeof context, context.abi = DS_ABI, context.arena = arena, context.arena_bytes = bytes,
    context.pool = pool;
    args.image.data = image, args.image.bytes = batch * 64 * sizeof(float);
    args.image.dims[0] = (int64_t)batch, args.image.dims[1] = 1, args.image.dims[2] = args.image.dims[3] = 8;
    args.scores.data = scores, args.scores.bytes = batch * 10 * sizeof(float);
    int status = digits(&context, &args);
    if (status == 0 && (args.scores.dims[0] != (int64_t)batch || args.scores.dims[1] != 10)) status = 100;
    free(arena);
    return status;
}

/* A pool of the least that a model asks for, its pieces in another order. */
static void backwards(ds_pool *pool, int64_t pieces, void (*fn)(void *arg, int64_t piece, int64_t lane), void *arg) {
    for (int64_t i = pieces; i-- > 0;) fn(arg, i, i % (int64_t)pool->concurrency);
}

int main(void) {
    enum { BATCH = 7 };
    float image[BATCH * 64], one[BATCH * 10], two[BATCH * 10], three[BATCH * 10];
    for (int i = 0; i < BATCH * 64; i++) image[i] = (float)(i * 37 % 17) / 16;
    ds_pool *pool = dsrt_pool_create(2);
    ds_pool own;
    memset(&own, 0, sizeof own);
    own.concurrency = 3, own.parallel_for = backwards;
    int status = run(NULL, image, BATCH, one), again = run(pool, image, BATCH, two),
        forked = run(&own, image, BATCH, three);
    dsrt_pool_destroy(pool);
    if (status || again || forked) return printf("failed: %d %d %d\n", status, again, forked), 1;
    if (memcmp(one, two, sizeof one) || memcmp(one, three, sizeof one)) return printf("threads change the result\n"), 1;
    float sum = 0;
    for (int i = 0; i < 10; i++) sum += one[i];
    if (sum < 0.999f || sum > 1.001f) return printf("softmax sums to %f\n", (double)sum), 1;
    ds_context wrong;
    memset(&wrong, 0, sizeof wrong);
    wrong.size = sizeof wrong, wrong.abi = DS_ABI + 1;
    digits_args none;
    memset(&none, 0, sizeof none);
    if (digits(&wrong, &none) != DS_WRONG_ABI) return printf("a wrong ABI was accepted\n"), 1;
    wrong.abi = DS_ABI;
    if (digits(&wrong, &none) != DS_WRONG_SIZE) return printf("a missing input was accepted\n"), 1;
    twin_args t;
    memset(&t, 0, sizeof t);
    if (twin(&wrong, &t) != DS_WRONG_SIZE) return printf("the second model is not there\n"), 1;
    printf("ok\n");
    return 0;
}
