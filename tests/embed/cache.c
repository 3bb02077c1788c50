/* A cache that is changed in place: passed as input and as result, it ends up as the result of its own would. */
#include <stdio.h>
#include <string.h>

#include "cache.h" /* of cache.mlir */
#include "libdsrt.h"

extern ds_model_arena cache_arena_for;
extern const char cache_description[];

enum { HEADS = 2, POSITIONS = 16, WIDTH = 4, BYTES = HEADS * POSITIONS * WIDTH * sizeof(float) };

static int step(float *past, float *present, float *scores, int64_t at) {
    static _Alignas(64) unsigned char arena[CACHE_ARENA_BYTES];
    float key[HEADS * WIDTH], query[HEADS * WIDTH];
    ds_context context = {.size = sizeof context, .abi = DS_ABI, .arena = arena, .arena_bytes = sizeof arena};
    for (int i = 0; i < HEADS * WIDTH; i++) key[i] = (float)(at * 8 + i + 1), query[i] = (float)(i % 3) - 1;
    cache_args args = {.past = {past, BYTES},
                       .key = {key, sizeof key},
                       .at = {&at, sizeof at},
                       .query = {query, sizeof query},
                       .present = {present, BYTES},
                       .scores = {scores, HEADS * POSITIONS * sizeof(float)}};
    return cache(&context, &args);
}

int main(void) {
    float apart[2][HEADS * POSITIONS * WIDTH] = {{0}}, own[HEADS * POSITIONS * WIDTH] = {0},
                                       scores[2][HEADS * POSITIONS];
    ds_model *m = dsrt_model_link((ds_model_entry *)cache, cache_arena_for, cache_description, NULL);
    if (!m || dsrt_model_output(m, 0)->tied != 0 || dsrt_model_output(m, 1)->tied != -1)
        return printf("wrong ties\n"), 1;
    dsrt_model_close(m);
    for (int at = 0; at < POSITIONS; at++) {
        float *past = apart[at % 2], *present = apart[1 - at % 2];
        if (step(past, present, scores[0], at) || step(own, own, scores[1], at)) return printf("failed at %d\n", at), 1;
        if (memcmp(present, own, BYTES) || memcmp(scores[0], scores[1], sizeof scores[0]))
            return printf("differs at %d\n", at), 1;
        if (own[at * WIDTH] != (float)(at * 8 + 1)) return printf("not written at %d\n", at), 1;
    }
    printf("ok\n");
    return 0;
}
