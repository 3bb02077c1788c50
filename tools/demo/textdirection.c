/* Runs the pretrained text-direction classifier on two drawn bars: is a line of text upright or upside down? */
#include <stdio.h>
#include <stdlib.h>

#include "textdirection.h"

static float image[3 * 48 * 192], scores[64];

int main(void) {
    uint64_t bytes = textdirection_arena_bytes(1);
    ds_context context = {.size = sizeof context,
                          .abi = DS_ABI,
                          .arena = aligned_alloc(64, (bytes + 127) / 64 * 64),
                          .arena_bytes = bytes};
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 48; y++)
            for (int x = 0; x < 192; x++) image[(c * 48 + y) * 192 + x] = y > 20 && y < 36 && x % 24 > 6 ? -1.0f : 1.0f;
    textdirection_args args = {.x = {image, sizeof image}};
    struct {
        void *data;
        uint64_t bytes;
    } *result = (void *)(&args.x + 1); /* the one output, whatever its name */
    result->data = scores, result->bytes = sizeof scores;
    int status = textdirection(&context, &args);
    printf("status %d: upright %.3f, upside down %.3f\n", status, (double)scores[0], (double)scores[1]);
    free(context.arena);
    return status;
}
