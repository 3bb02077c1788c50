/* What `dsc quantize --precision` says of its result: for people, or as one JSON object. */
#ifndef DS_QUANTIZE_REPORT_H
#define DS_QUANTIZE_REPORT_H

#include <stdio.h>

#include "tools/quantize_page.h"

void quantize_report_text(const quantize_result *r, FILE *to);
void quantize_report_json(const quantize_result *r, FILE *to);

#endif
