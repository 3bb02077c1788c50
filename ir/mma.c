#include "mma.h"

#include <stdio.h>
#include <string.h>

#define LANES DS_MMA_LANES
static const ds_mma rows[] = {
#define DS_MMA(name, lhs, rhs, sum, m, n, k, shape, needs, rate, parts, generator, doc)                                \
    {#name, DS_##lhs, DS_##rhs, DS_##sum, m, n, k, DS_MMA_##shape, needs, rate, parts, #generator, doc},
#include "mma.def"
#undef DS_MMA
};
#undef LANES

const ds_mma *ds_mma_at(size_t index) { return index < DS_COUNT(rows) ? &rows[index] : NULL; }

const ds_mma *ds_mma_find(const char *name) {
    const ds_mma *row;
    for (size_t i = 0; (row = ds_mma_at(i)) && strcmp(row->name, name) != 0;) i++;
    return row;
}

/* Is `word` one of a list with commas? */
static bool is_listed(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == n && !strncmp(at, word, n)) return true;
    return false;
}

static const char proof[] = "fits";

bool ds_mma_needs_proof(const ds_mma *mma) { return is_listed(mma->needs, proof); }

static bool has_what(const ds_target *target, const char *word) {
    if (!strcmp(word, proof)) return true; /* a product has it, or not */
    return !strcmp(word, "pairs") ? *target->pairs : is_listed(target->features, word);
}

bool ds_mma_runs_on(const ds_mma *mma, const ds_target *target) {
    char word[32];
    for (const char *at = mma->needs; *at; at += strcspn(at, ","), at += *at == ',') {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        if (!has_what(target, word)) return false;
    }
    return true;
}

bool ds_mma_is_of_vectors(const ds_mma *mma) { return mma->shape == DS_MMA_VECTOR || mma->shape == DS_MMA_SQUARE; }

double ds_mma_filled(const ds_mma *mma, double high) { return high < mma->m ? high / mma->m : 1; }

const ds_mma *ds_mma_choose(const ds_target *target, ds_elem lhs, ds_elem rhs, ds_elem sum, bool fits) {
    const ds_mma *best = NULL, *row;
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        if (ds_mma_needs_proof(row) && !fits) continue;
        if (!ds_mma_is_of_vectors(row) || row->lhs != lhs || row->rhs != rhs || row->sum != sum) continue;
        if (target && !ds_mma_runs_on(row, target)) continue;
        if (!best || row->rate > best->rate) best = row;
    }
    return best;
}

const ds_mma *ds_mma_for(const ds_target *target, ds_elem lhs, ds_elem rhs, ds_elem sum) {
    return ds_mma_choose(target, lhs, rhs, sum, false);
}

const ds_mma *ds_mma_matrix(const ds_target *target, const ds_mma *vector) {
    const ds_mma *row;
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        if (row->shape != DS_MMA_TILE || row->lhs != vector->lhs || row->rhs != vector->rhs || row->sum != vector->sum)
            continue;
        if (ds_mma_panel(row).group == ds_mma_panel(vector).group && ds_mma_runs_on(row, target)) return row;
    }
    return NULL;
}

double ds_mma_matrix_cycles(const ds_mma *mma, const ds_machine *machine, size_t lanes, double high) {
    return high * mma->n * mma->k / ((double)machine->fma_ports * (double)lanes * mma->rate);
}

const ds_mma *ds_mma_of(const ds_op *tile) { return ds_mma_find(ds_op_text(tile, "mma", rows[0].name)); }

ds_panel ds_mma_panel(const ds_mma *mma) {
    unsigned bits = ds_elem_facts(mma->rhs)->bits, most = mma->shape == DS_MMA_SQUARE ? 64 : 32;
    unsigned word = bits < most ? most / bits : 1;
    unsigned parts = ds_elem_is_integer(mma->lhs) && bits < 8 ? 8 / bits : 1;
    return (ds_panel){.columns = DS_PANEL, .group = mma->k < word ? mma->k : word, .parts = parts};
}

unsigned ds_mma_column_bytes(const ds_mma *mma) {
    unsigned bits = ds_mma_panel(mma).group * ds_elem_facts(mma->rhs)->bits;
    return mma->k > 1 && bits < 32 ? bits / 8 : 0;
}

bool ds_mma_sums_blocks(const ds_mma *mma) { return ds_elem_is_integer(mma->lhs) && ds_elem_is_float(mma->sum); }

bool ds_mma_sums_left(const ds_mma *mma) { return ds_mma_sums_blocks(mma) && !ds_elem_is_unsigned(mma->lhs); }

static const char *columns_of(char *room, size_t size, const ds_mma *row) {
    if (row->n == DS_MMA_LANES) return "lanes";
    snprintf(room, size, "%u", row->n);
    return room;
}

void ds_mma_print(ds_string *out) {
    static const char *const shapes[] = {"vector", "square", "tile", "warp"};
    const ds_mma *row;
    char n[16];
    ds_string_printf(out, "| name | left | right | sum | m x n x k | shape | needs | rate | is |\n");
    ds_string_printf(out, "|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; (row = ds_mma_at(i)); i++) {
        const char *lhs = ds_elem_facts(row->lhs)->text, *rhs = ds_elem_facts(row->rhs)->text;
        ds_string_printf(out, "| `%s` | %s | %s | %s |", row->name, lhs, rhs, ds_elem_facts(row->sum)->text);
        ds_string_printf(out, " %u x %s x %u |", row->m, columns_of(n, sizeof n, row), row->k);
        ds_string_printf(out, " %s | %s | %g | %s |\n", shapes[row->shape], row->needs, row->rate, row->doc);
    }
}
