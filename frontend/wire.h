/* A walk over an ONNX file's protobuf wire format, before protobuf-c sees it (format: protobuf.dev, "Encoding").
 *
 * It checks every length and the nesting depth, and writes a slim copy in which the bulk data of tensors is replaced by
 * its place in the original bytes (TensorProto.payload_offset, _length, _field), so that weights are never copied.
 */
#ifndef DS_WIRE_H
#define DS_WIRE_H

#include "ir/base/base.h"

enum { DS_WIRE_MAX_DEPTH = 64 };

/* What the bytes are: the message at the top. */
typedef enum { DS_WIRE_MODEL, DS_WIRE_TENSOR } ds_wire_root;

/* On DS_OK, out_slim holds the slim copy (release with ds_string_free). */
DS_MUST_USE ds_status ds_wire_slim(ds_diag *diag, ds_wire_root root, const uint8_t *bytes, size_t length,
                                   ds_string *out_slim);

#endif
