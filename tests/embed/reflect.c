/* Loads a model it was not compiled with and runs it by name and shape alone: reflect MODEL.so PREFIX [WEIGHTS]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdsrt.h"

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    ds_model *model = dsrt_model_open(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
    if (!model) return printf("cannot open\n"), 1;
    const ds_model_argument *in = dsrt_model_input(model, 0), *out = dsrt_model_output(model, 0);
    if (dsrt_model_inputs(model) != 1 || dsrt_model_outputs(model) != 1 || dsrt_model_input(model, 1))
        return printf("wrong counts\n"), 1;
    if (strcmp(in->name, "image") || strcmp(out->name, "scores") || strcmp(in->elem, "f32") || in->rank != 4 ||
        in->dims[0] != -1 || in->dims[3] != 8)
        return printf("wrong description\n"), 1;
    float image[3 * 64];
    for (int i = 0; i < 3 * 64; i++) image[i] = (float)(i % 5) / 4;
    ds_model_tensor input = {image, sizeof image, {3, 1, 8, 8}}, output = {NULL, 0, {0}};
    ds_pool *pool = dsrt_pool_create(2);
    int status = dsrt_model_run(model, pool, &input, &output);
    float sum = 0;
    for (int i = 0; status == 0 && i < 10; i++) sum += ((float *)output.data)[i];
    int good = status == 0 && output.dims[0] == 3 && output.dims[1] == 10 && output.bytes == 3 * 10 * sizeof(float) &&
               sum > 0.999f && sum < 1.001f;
    input.dims[3] = 9;
    int refused = dsrt_model_run(model, pool, &input, &output);
    if (output.data) free(output.data);
    dsrt_pool_destroy(pool);
    dsrt_model_close(model);
    printf("status %d, sum %f, wrong extent gives %d\n", status, (double)sum, refused);
    return !good || refused != DS_WRONG_SIZE;
}
