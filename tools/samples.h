/* What a model is calibrated on: one folder of inputs, a folder of such folders, or an .npz file. */
#ifndef DS_SAMPLES_H
#define DS_SAMPLES_H

#include "tools/model.h"
#include "tools/npz.h"

/* An array of an .npz: for one input, the samples one after the other. */
typedef struct {
    ds_model_tensor all;
    bool stacked; /* it has a dim more than the input: samples are its first one */
    const char *name;
} sample_array;

typedef struct {
    ds_ir_context *cx;
    ds_files files;
    const char *path;
    const ds_argument *inputs;
    size_t input_count, count;
    const char **folders; /* stb_ds array: one for each sample; NULL where they are in an .npz */
    npz_entry *entries;   /* stb_ds array */
    sample_array *arrays; /* one for each input */
} samples;

/* Looks at all of an .npz, or at which folders there are, in the order of their names' bytes. `inputs` is borrowed. */
DS_MUST_USE ds_status samples_open(ds_ir_context *cx, const char *path, const ds_argument *inputs, size_t input_count,
                                   samples *out);
/* Reads a sample; *owned[i]: the data is to be freed. */
DS_MUST_USE ds_status samples_read(samples *s, size_t i, ds_model_tensor *out_inputs, bool *out_owned);
void samples_close(samples *s);

#endif
