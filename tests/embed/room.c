/* Caches that share the caller's memory and grow in it between other dims, compiled with --alias: what a call gives and
 * leaves alone, and what it refuses before it writes anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdsrt.h"
#include "room.h" /* of room.mlir */

extern ds_model_arena room_arena_for;
extern const char room_description[];

enum { ROOM = 8, BATCH = 2, HEADS = 2, WIDTH = 4, DEEP = 3, KEYS = HEADS * ROOM * WIDTH };
enum { VALUES = BATCH * HEADS * DEEP * ROOM, NEW_KEYS = HEADS * 2 * WIDTH, NEW_VALUES = BATCH * HEADS * DEEP * 2 };

/* Inputs 0 to 3, outputs 4 to 6, as context.at counts. */
enum { PAST_K, PAST_V, K, V, PRESENT_K, PRESENT_V };

static float keys[KEYS], values[VALUES], k[NEW_KEYS], v[NEW_VALUES], sum;

static int run(room_args *args, ds_context *context) {
    static _Alignas(64) unsigned char arena[1 << 14];
    *context = (ds_context){.size = sizeof *context, .abi = DS_ABI, .arena = arena, .arena_bytes = sizeof arena};
    return room(context, args);
}

static room_args arguments(int64_t past, int64_t seq) {
    return (room_args){.past_k = {keys, sizeof keys, {HEADS, past, WIDTH}},
                       .past_v = {values, sizeof values, {BATCH, HEADS, DEEP, past}},
                       .k = {k, sizeof k, {HEADS, seq, WIDTH}},
                       .v = {v, sizeof v, {BATCH, HEADS, DEEP, seq}},
                       .sum = {&sum, sizeof sum}};
}

/* Ones behind what is there, two at a time and then one: nothing behind them changes. */
static int grows(void) {
    ds_context context;
    for (int i = 0; i < KEYS; i++) keys[i] = -1;
    for (int i = 0; i < VALUES; i++) values[i] = -1;
    for (int i = 0; i < NEW_KEYS; i++) k[i] = 1;
    for (int i = 0; i < NEW_VALUES; i++) v[i] = 1;
    for (int64_t past = 0, seq = 2; past < ROOM; past += seq, seq = past % 3 ? 1 : 2) {
        room_args args = arguments(past, seq);
        int64_t rows = past + seq;
        if (past % 2) args.present_k.data = keys, args.present_k.bytes = sizeof keys; /* or null */
        if (past + seq > ROOM) break;
        if (run(&args, &context) || args.present_k.data != (void *)keys || args.present_k.bytes != sizeof keys)
            return 0;
        if (args.present_v.data != (void *)values || args.present_k.dims[1] != rows || args.present_v.dims[3] != rows)
            return 0;
        if (sum != (float)(rows * (HEADS * WIDTH + BATCH * HEADS * DEEP))) return 0;
        for (int i = 0; i < KEYS; i++)
            if (keys[i] != (i / WIDTH % ROOM < rows ? 1 : -1)) return 0;
        for (int i = 0; i < VALUES; i++)
            if (values[i] != (i % ROOM < rows ? 1 : -1)) return 0;
    }
    return 1;
}

static int is_untouched(void) {
    for (int i = 0; i < KEYS; i++)
        if (keys[i] != 7) return 0;
    for (int i = 0; i < VALUES; i++)
        if (values[i] != 7) return 0;
    return 1;
}

static int is_refused(room_args args, int status, uint32_t at) {
    ds_context context;
    return run(&args, &context) == status && context.at == at && is_untouched();
}

static int refuses(void) {
    room_args args;
    static float other[VALUES];
    for (int i = 0; i < KEYS; i++) keys[i] = 7;
    for (int i = 0; i < VALUES; i++) values[i] = 7;
    if (!is_refused(arguments(ROOM, 1), DS_MORE_MEMORY, PRESENT_K)) return 0; /* full */
    if (!is_refused(arguments(ROOM + 1, 1), DS_WRONG_SIZE, PAST_K)) return 0; /* more than full */
    if (!is_refused(arguments(INT64_MAX, 1), DS_WRONG_SIZE, PAST_K)) return 0;
    args = arguments(ROOM - 1, 1), args.past_k.bytes -= 1; /* no whole number of rows */
    if (!is_refused(args, DS_WRONG_SIZE, PAST_K)) return 0;
    args = arguments(ROOM - 3, 1), args.past_k.bytes -= HEADS * WIDTH * sizeof(float); /* less room than values */
    if (!is_refused(args, DS_WRONG_SIZE, PAST_K)) return 0;
    args = arguments(ROOM - 1, 1), args.past_v.bytes -= BATCH * HEADS * DEEP * sizeof(float);
    if (!is_refused(args, DS_MORE_MEMORY, PRESENT_V)) return 0;
    args = arguments(1, 1), args.past_k.bytes = UINT64_MAX - 31; /* a whole number, and more than there can be */
    if (!is_refused(args, DS_WRONG_SIZE, PAST_K)) return 0;
    args = arguments(1, 1), args.present_v.data = other, args.present_v.bytes = sizeof other; /* not the same memory */
    if (!is_refused(args, DS_BROKEN_PROMISE, 1)) return 0;
    args = arguments(1, 1), args.present_k.data = keys, args.present_k.bytes = sizeof keys - 1;
    if (!is_refused(args, DS_MORE_MEMORY, PRESENT_K)) return 0;
    args = arguments(ROOM, 1), args.past_v.dims[0] = 0, args.v.dims[0] = 0; /* values of no bytes have room for all */
    return is_refused(args, DS_MORE_MEMORY, PRESENT_K);
}

/* No values at all: their memory has any room, that of the keys is as it is. */
static int takes_nothing(void) {
    ds_context context;
    room_args args = arguments(1, 1);
    args.past_v.dims[0] = args.v.dims[0] = 0;
    args.past_v.bytes = args.v.bytes = 0;
    return !run(&args, &context) && keys[WIDTH] == 1 && keys[WIDTH + ROOM * WIDTH] == 1 && keys[2 * WIDTH] == 7 &&
           sum == HEADS * WIDTH * 8;
}

/* By tensors: results of the call's own lie in copies, which get the room that they need, so that they are dense. */
static int reflects(void) {
    float past_k[HEADS * WIDTH], past_v[BATCH * HEADS * DEEP];
    ds_model_tensor inputs[] = {{past_k, sizeof past_k, {HEADS, 1, WIDTH}},
                                {past_v, sizeof past_v, {BATCH, HEADS, DEEP, 1}},
                                {k, sizeof k, {HEADS, 2, WIDTH}},
                                {v, sizeof v, {BATCH, HEADS, DEEP, 2}}};
    ds_model_tensor present_k, present_v, total;
    for (int i = 0; i < HEADS * WIDTH; i++) past_k[i] = (float)i;
    for (int i = 0; i < BATCH * HEADS * DEEP; i++) past_v[i] = (float)i;
    ds_model *m = dsrt_model_link((ds_model_entry *)room, room_arena_for, room_description, NULL);
    if (!m || dsrt_model_input(m, PAST_K)->room_dim != 1 || dsrt_model_output(m, 1)->room_dim != 3) return 0;
    if (dsrt_model_input(m, K)->room_dim != -1 || dsrt_model_output(m, 2)->room_dim != -1) return 0;
    ds_call *c = dsrt_call_open(m, NULL, inputs, NULL);
    for (int turn = 0; turn < 2; turn++) { /* a call may be run again */
        if (!c || dsrt_call_run(c)) return 0;
        dsrt_call_result(c, 0, &present_k);
        dsrt_call_result(c, 1, &present_v);
        dsrt_call_result(c, 2, &total);
        if (present_k.bytes != 3 * sizeof past_k || present_v.bytes != 3 * sizeof past_v) return 0;
        for (int i = 0; i < 3 * HEADS * WIDTH; i++) {
            int head = i / WIDTH / 3, row = i / WIDTH % 3;
            if (((float *)present_k.data)[i] != (row ? 1 : past_k[head * WIDTH + i % WIDTH])) return 0;
        }
        for (int i = 0; i < 3 * BATCH * HEADS * DEEP; i++)
            if (((float *)present_v.data)[i] != (i % 3 ? 1 : past_v[i / 3])) return 0;
        if (*(float *)total.data != 28 + 66 + 2 * (HEADS * WIDTH + BATCH * HEADS * DEEP)) return 0;
    }
    free(total.data);
    dsrt_call_close(c);
    dsrt_model_close(m);
    return past_k[1] == 1;
}

int main(void) {
    if (!grows()) return printf("does not grow\n"), 1;
    if (!refuses()) return printf("does not refuse\n"), 1;
    if (!takes_nothing()) return printf("does not take nothing\n"), 1;
    if (!reflects()) return printf("does not reflect\n"), 1;
    printf("ok\n");
    return 0;
}
