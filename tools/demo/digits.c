/* Recognises handwritten digits with the compiled model: the header and the object are all it needs. */
#include <stdio.h>

#include "digits.h"
#include "digits_images.h"

static _Alignas(64) unsigned char arena[DIGITS_ARENA_BYTES];

static void show(const unsigned char *pixels) {
    static const char shades[] = " .:-=+*#%@";
    for (int y = 0; y < 8; y++) {
        printf("    ");
        for (int x = 0; x < 8; x++) {
            char c = shades[pixels[8 * y + x] * 9 / 16];
            printf("%c%c", c, c);
        }
        printf("\n");
    }
}

int main(void) {
    int right = 0, count = (int)(sizeof test_images / sizeof *test_images);
    for (int i = 0; i < count; i++) {
        float image[64], scores[10];
        for (int p = 0; p < 64; p++) image[p] = (float)test_images[i].pixels[p] / 16;
        ds_context context = {.size = sizeof context, .abi = DS_ABI, .arena = arena, .arena_bytes = sizeof arena};
        digits_args args = {.image = {image, sizeof image}, .scores = {scores, sizeof scores}};
        int status = digits(&context, &args);
        if (status) return printf("status %d\n", status), 1;
        int best = 0;
        for (int k = 1; k < 10; k++)
            if (scores[k] > scores[best]) best = k;
        show(test_images[i].pixels);
        printf("    this is a %d (score %.3f; it is labelled %d)\n\n", best, (double)scores[best],
               test_images[i].label);
        right += best == test_images[i].label;
    }
    printf("%d of %d right\n", right, count);
    return right < count - 1;
}
