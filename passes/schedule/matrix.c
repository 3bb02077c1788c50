/* tile: a product by registers that hold matrices, up to 16 rows by 16 columns each.
 *
 *   {program = "tile", mma = "matrix_u8i8",
 *    levels = [m grid 64, n grid 32, m tile 32, n tile 32, k tile 16]}
 *
 * m tile: one or two matrices of equal rows; n tile: panels; k tile: steps that one instruction takes. Where rows are
 * left over, the last matrices begin earlier. Panels are those of the vectors, which take the kernel where they cost
 * less.
 */
#include "passes/schedule/tile.h"

enum {
    MOST_HIGH = 2,
    MOST_SUMS = 4,
    STORE = 3,      /* cycles for a vector of sums, to memory and back */
    LINE_STEPS = 16 /* steps of a register */
};

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* The most steps of a register that divide those of the innermost dim; 0 where they are not known. */
static int64_t most_steps(const tile_space *t) {
    int64_t extent, steps = LINE_STEPS;
    if (t->rank == t->kept || !ds_expr_is_const(t->extent[t->rank - 1], &extent) || extent < 1) return 0;
    while (extent % steps) steps--;
    return steps;
}

const ds_mma *tile_matrix_row(const tile_space *t) {
    const ds_mma *row = ds_mma_matrix(t->core->target, t->mma);
    if (!row || !t->packed || t->m == SIZE_MAX || t->core->lanes != DS_PANEL || !most_steps(t)) return NULL;
    const ds_expr *words = tile_coefficient(t, TILE_A, t->rank - 1), *rows = tile_coefficient(t, TILE_A, t->m);
    bool together = words && ds_expr_equals(words, tile_step_elements(t));
    return together && rows ? row : NULL;
}

/* Cycles of a turn: products, lines loaded, or B coming from the L2 cache. */
static double turn_cycles(const tile_space *t, const tile_choice *c, bool b_in_l1) {
    static const double BESIDE = 0.25;
    const ds_machine *machine = t->core->machine;
    double rows = (double)(c->rows / c->high), wide = (double)(tile_width(t, c) / DS_PANEL);
    double each = ds_mma_matrix_cycles(c->mma, machine, t->core->lanes, rows);
    double products = each * (double)c->high * wide;
    double loads = ((double)c->rows + wide * (double)c->steps) / machine->load_ports;
    double far = b_in_l1 ? 0 : wide * (double)(c->steps * (int64_t)machine->line_bytes) / machine->l2_rate_beside;
    double most = products > loads ? products : loads, least = products + loads - most;
    if (far > most) most = far;
    return most + BESIDE * least; /* neither hides the other one wholly */
}

static double matrix_cycles(const tile_space *t, const tile_choice *c, int64_t m, int64_t n) {
    static const double SETUP = 0.1; /* of registers, in pieces of about two microseconds */
    double k = tile_sum_length(t), width = (double)tile_width(t, c);
    bool b_in_l1 = k * width * tile_step_bytes(t) < (double)t->core->machine->l1_bytes / 2;
    double block = k / (double)c->steps * turn_cycles(t, c, b_in_l1) + (double)(c->rows * c->columns) * STORE;
    return (1 + SETUP) * block * (double)ceil_div(m, c->rows) * (double)ceil_div(n, tile_width(t, c));
}

static ds_tail rows_tail(const tile_space *t, int64_t rows) {
    return schedule_tail(t->extent[t->m], rows, DS_TAIL_overlap);
}

static tile_choice make_choice(const tile_space *t, const ds_mma *row, int64_t rows, int64_t columns) {
    tile_choice c = {.mma = row, .rows = rows, .columns = columns, .unroll = 1, .steps = most_steps(t)};
    c.high = ceil_div(rows, row->m);
    c.rows_tail = rows_tail(t, rows);
    c.columns_tail = tile_columns_tail(t, tile_width(t, &c));
    return c;
}

/* `high` matrices of so many rows that blocks of them end where m does, or little behind it; 0: m has fewer. */
static int64_t even_rows(const tile_space *t, const ds_mma *row, int64_t high) {
    int64_t m, most = high * row->m;
    if (!ds_expr_is_const(t->extent[t->m], &m)) return most;
    int64_t rows = high * ceil_div(m, high * ceil_div(m, most));
    return rows <= m && rows > most - row->m ? rows : 0;
}

bool tile_choose_matrix(const tile_space *t, double least, int64_t m, int64_t n, tile_choice *out) {
    const ds_mma *row = tile_matrix_row(t);
    bool found = false;
    for (int64_t high = 1; row && high <= MOST_HIGH; high++)
        for (int64_t wide = 1; high * wide <= MOST_SUMS; wide++) {
            int64_t rows = even_rows(t, row, high);
            if (!rows || (wide > 1 && (wide - 1) * DS_PANEL >= n)) continue;
            tile_choice c = make_choice(t, row, rows, wide * DS_PANEL / (int64_t)t->core->lanes);
            double cycles = matrix_cycles(t, &c, m, n);
            if (cycles >= least) continue;
            least = cycles;
            *out = c;
            found = true;
        }
    return found;
}

void tile_add_matrix_levels(const tile_space *t, const tile_choice *c, ds_schedule *s) {
    ds_schedule_add(s, DS_OWN, "m", DS_LEVEL_tile, c->rows, c->rows_tail);
    ds_schedule_add(s, DS_OWN, "n", DS_LEVEL_tile, tile_width(t, c), c->columns_tail);
    ds_schedule_add(s, DS_OWN, "k", DS_LEVEL_tile, c->steps, DS_TAIL_exact);
}

const char *tile_read_matrix(const tile_space *t, const ds_schedule *s, tile_choice *out) {
    const ds_level *m = ds_schedule_find(s, DS_OWN, "m", DS_LEVEL_tile),
                   *n = ds_schedule_find(s, DS_OWN, "n", DS_LEVEL_tile),
                   *k = ds_schedule_find(s, DS_OWN, "k", DS_LEVEL_tile);
    const ds_mma *row = tile_matrix_row(t);
    int64_t extent, inner;
    if (!row) return "the machine has no matrices of this product, or its factors do not lie as they ask for";
    if (!m || !n || !k) return "a product by matrices has no tile along m, n and k";
    *out = (tile_choice){.mma = row, .rows = m->step, .columns = n->step / (int64_t)t->core->lanes, .unroll = 1};
    out->high = ceil_div(m->step, row->m);
    out->steps = k->step;
    out->rows_tail = m->tail;
    out->columns_tail = n->tail;
    int64_t wide = n->step / DS_PANEL;
    if (n->step % DS_PANEL || out->high > MOST_HIGH || out->high * wide > MOST_SUMS)
        return schedule_refuse(t->core, "there are registers for %d matrices of sums, %d of them one below the other",
                               MOST_SUMS, MOST_HIGH);
    if (out->rows % out->high) return "matrices of a tile have equally many rows";
    bool known = ds_expr_is_const(t->extent[t->m], &extent);
    if (known && out->rows > extent) return "a tile has more rows than there are";
    if (!known && out->rows % row->m)
        return schedule_refuse(t->core, "where rows are not known, matrices have %u of them", row->m);
    ds_expr_is_const(t->extent[t->rank - 1], &inner);
    if (out->steps > LINE_STEPS || inner % out->steps)
        return schedule_refuse(t->core, "a matrix takes up to %d steps of k, which divide them", LINE_STEPS);
    if (out->rows_tail != rows_tail(t, out->rows)) return "the tail of the tile's rows does not fit their number";
    if (out->columns_tail != tile_columns_tail(t, n->step))
        return "the tail of the tile's columns does not fit their number";
    return NULL;
}
