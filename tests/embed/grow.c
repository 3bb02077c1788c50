/* A cache that shares the caller's memory and grows in it, compiled with --alias: what a call gives, and what it
 * refuses. */
#include <stdio.h>
#include <string.h>

#include "grow.h" /* of grow.mlir */
#include "libdsrt.h"

extern ds_model_arena grow_arena_for;
extern const char grow_description[];

enum { ROOM = 8, WIDTH = 4, ROW = WIDTH * sizeof(float) };

static int run(grow_args *args, ds_context *context) {
    static _Alignas(64) unsigned char arena[4096];
    *context = (ds_context){.size = sizeof *context, .abi = DS_ABI, .arena = arena, .arena_bytes = sizeof arena};
    return grow(context, args);
}

/* Row after row, into memory for ROOM of them. */
static int grows(void) {
    float cache[ROOM * WIDTH], x[WIDTH], sum[WIDTH], total = 0;
    ds_context context;
    memset(cache, 0xff, sizeof cache);
    for (int64_t rows = 0; rows < ROOM; rows++) {
        grow_args args = {.past = {cache, sizeof cache, {rows, WIDTH}}, .x = {x, sizeof x}, .sum = {sum, sizeof sum}};
        if (rows % 2) args.present.data = cache, args.present.bytes = sizeof cache; /* or null */
        for (int i = 0; i < WIDTH; i++) x[i] = (float)(rows + i);
        total += (float)rows;
        if (run(&args, &context) || args.present.data != (void *)cache || args.present.dims[0] != rows + 1) return 0;
        if (cache[rows * WIDTH] != (float)rows || sum[0] != total) return 0;
    }
    return cache[0] == 0 && cache[WIDTH + 1] == 2;
}

/* Other memory for the result, and too little: nothing is written then. */
static int refuses(void) {
    float cache[2 * WIDTH] = {0}, other[2 * WIDTH] = {0}, x[WIDTH] = {1, 1, 1, 1}, sum[WIDTH];
    grow_args args = {.past = {cache, sizeof cache, {1, WIDTH}},
                      .x = {x, sizeof x},
                      .present = {other, sizeof other, {0, 0}},
                      .sum = {sum, sizeof sum}};
    ds_context context;
    if (run(&args, &context) != DS_BROKEN_PROMISE || context.at != 0) return 0;
    args.present.data = NULL, args.past.bytes = ROW;
    if (run(&args, &context) != DS_MORE_MEMORY || context.at != 2 || args.present.dims[0] != 2) return 0;
    return cache[WIDTH] == 0 && other[WIDTH] == 0;
}

/* By tensors: results of the call's own lie in a copy, which has room. */
static int reflects(void) {
    float past[WIDTH] = {1, 2, 3, 4}, x[WIDTH] = {5, 6, 7, 8};
    ds_model_tensor inputs[] = {{past, ROW, {1, WIDTH}}, {x, ROW, {1, WIDTH}}}, present,
                    outputs[] = {{x, ROW, {0}}, {NULL, 0, {0}}};
    char text[200];
    ds_model *m = dsrt_model_link((ds_model_entry *)grow, grow_arena_for, grow_description, NULL);
    if (!m || !dsrt_model_output(m, 0)->is_alias || dsrt_model_output(m, 0)->tied != 0) return 0;
    if (dsrt_model_output(m, 1)->is_alias) return 0;
    ds_call *c = dsrt_call_open(m, NULL, inputs, NULL);
    if (!c || dsrt_call_run(c)) return 0;
    dsrt_call_result(c, 0, &present);
    if (present.bytes != 2 * ROW || memcmp(present.data, past, ROW) || memcmp((char *)present.data + ROW, x, ROW))
        return 0;
    dsrt_call_close(c);
    c = dsrt_call_open(m, NULL, inputs, outputs);
    int status = c ? dsrt_call_run(c) : 0;
    if (status != DS_BROKEN_PROMISE || dsrt_call_explain(c, status, text, sizeof text) < 1) return 0;
    dsrt_call_close(c);
    dsrt_model_close(m);
    return strstr(text, "'present'") && strstr(text, "'past'");
}

int main(void) {
    if (!grows()) return printf("does not grow\n"), 1;
    if (!refuses()) return printf("does not refuse\n"), 1;
    if (!reflects()) return printf("does not reflect\n"), 1;
    printf("ok\n");
    return 0;
}
