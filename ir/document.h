/* The IR as one page for people, in Markdown, made of the tables. */
#ifndef DS_DOCUMENT_H
#define DS_DOCUMENT_H

#include "ir.h"

void ds_ir_document(ds_string *out);

#endif
