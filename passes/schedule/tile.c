/* tile: a product by register tiles, with what is done to its results. What is proposed, and what can be obeyed.
 *
 *   {program = "tile", mma = "fma_f32", prefetch = {lines = 1},
 *    levels = [m grid 64, n grid 48, m tile 8, n tile 48, k unroll 4]}        (each a dictionary: ir/schedule.h)
 *
 * Grid levels: m and n in this order when all columns are done for some rows before the next ones, n and m in the other
 * one, and m, n, m when as many rows as the outermost level has go over the same columns.
 */
#include "passes/schedule/tile.h"

#include <math.h>
#include <string.h>

enum {
    PIECE_MACS = 1 << 20, /* the most a piece has; LEAST_MACS: the fewest, a microsecond */
    LEAST_MACS = 1 << 17,
    VECTOR_RATE = 8, /* of products: what is faster does more in that time */
    PIECES = 16,     /* wanted, where that leaves them large enough */
    CHOSEN_ROWS =
        8 /* rows of A whose stride is a multiple of 1 KB share few sets of the L1 cache; packing A would allow 14 */
};

int64_t tile_width(const tile_space *t, const tile_choice *c) { return c->columns * (int64_t)t->core->lanes; }

int64_t tile_turn(const tile_choice *c) { return c->high ? c->steps : TILE_STEPS; }

/* ---- the register tile ---- */

/* Registers of sums: rows come in those of an instruction. */
static int64_t sums_of(const tile_space *t, int64_t rows, int64_t columns) {
    return (rows + t->mma->m - 1) / t->mma->m * t->mma->m * columns;
}

/* Cycles of one step of a rows x columns tile: what is slowest of products, loads, and B coming from the L2 cache. As
 * many sums as are begun while one is under way just hide its latency; half as many more also bear that one comes
 * late. */
static double step_cycles(const tile_space *t, int64_t rows, int64_t columns, bool b_in_l1) {
    const ds_machine *machine = t->core->machine;
    int64_t sums = sums_of(t, rows, columns), hidden = (int64_t)machine->fma_ports * machine->fma_latency;
    double work = (double)tile_step_elements(t) / t->mma->rate; /* beside one product of f32 */
    double products = work * (double)(sums < hidden ? hidden : sums) / machine->fma_ports;
    if (2 * sums < 3 * hidden) products += 0.25;
    double bytes = (double)(columns * (int64_t)t->core->lanes) * tile_step_bytes(t),
           wide = t->core->target->vector_bytes;
    double vectors = bytes > wide * (double)columns ? bytes / wide : (double)columns;
    double loads = ((double)rows + vectors) / machine->load_ports;
    double far = bytes / (rows > 1 ? machine->l2_rate_beside : machine->l2_rate);
    double most = products > loads ? products : loads;
    return (!b_in_l1 && far > most ? far : most) + 0.3;
}

/* Columns come in whole panels. */
static int64_t panel_vectors(const tile_space *t) { return DS_PANEL / (int64_t)t->core->lanes; }

/* Beside the sums a row of B and an element of A; where these are taken apart, a product that waits to be added; where blocks
 * are summed, the sums of A. */
static bool fits_registers(const tile_space *t, int64_t rows, int64_t columns) {
    int64_t parts = t->mma->parts, waiting = (parts > 1) + (ds_mma_sums_left(t->mma) ? rows : 0);
    return sums_of(t, rows, columns) + (columns + 1) * parts + waiting <= (int64_t)t->core->target->registers;
}

typedef struct {
    int64_t m, n; /* extents, or large ones where they are not known */
    double k;
} tile_extents;

static tile_extents extents_of(const tile_space *t) {
    tile_extents e = {1, 0, tile_sum_length(t)};
    if (t->m != SIZE_MAX && !ds_expr_is_const(t->extent[t->m], &e.m)) e.m = 64 * CHOSEN_ROWS * 7;
    if (!ds_expr_is_const(t->extent[t->n], &e.n)) e.n = 64 * 3 * 4 * (int64_t)t->core->lanes;
    if (e.m < 1) e.m = 1; /* results without elements have code, too */
    return e;
}

/* Cycles to walk the space by this tile. */
static double tile_cycles(const tile_space *t, const tile_extents *e, int64_t rows, int64_t columns) {
    int64_t lanes = (int64_t)t->core->lanes, width = columns * lanes, rest = e->n % width;
    bool b_in_l1 = e->k * (double)width * tile_step_bytes(t) < (double)t->core->machine->l1_bytes / 2;
    double cycles = (double)(e->n / width) * step_cycles(t, rows, columns, b_in_l1);
    if (rest) cycles += step_cycles(t, rows, (rest + lanes - 1) / lanes, b_in_l1);
    return cycles * (double)((e->m + rows - 1) / rows); /* an edge of fewer rows saves less than it should */
}

static ds_tail rows_tail(const tile_space *t, int64_t rows) {
    int64_t extent;
    const ds_expr *m = tile_rows_extent(t);
    if (!ds_expr_is_const(m, &extent)) return DS_TAIL_repeat;
    return extent % rows ? DS_TAIL_guard : DS_TAIL_exact;
}

ds_tail tile_columns_tail(const tile_space *t, int64_t width) {
    int64_t extent;
    if (!ds_expr_is_const(t->extent[t->n], &extent)) return DS_TAIL_mask;
    if (extent % width == 0) return DS_TAIL_exact;
    return extent % (int64_t)t->core->lanes ? DS_TAIL_mask : DS_TAIL_guard;
}

static tile_choice make_choice(const tile_space *t, int64_t rows, int64_t columns) {
    tile_choice c = {.mma = t->mma, .rows = rows, .columns = columns, .unroll = t->core->unrolls ? TILE_STEPS : 1};
    c.rows_tail = rows_tail(t, rows);
    c.columns_tail = tile_columns_tail(t, tile_width(t, &c));
    return c;
}

tile_choice tile_choose(const tile_space *t) {
    tile_extents e = extents_of(t);
    int64_t unit = panel_vectors(t);
    double best = 0;
    tile_choice chosen =
        make_choice(t, 1, unit); /* even where registers are too few for that, or there is nothing to compute */
    for (int64_t columns = unit; columns <= TILE_MOST_COLUMNS; columns += unit)
        for (int64_t rows = 1; rows <= CHOSEN_ROWS && rows <= e.m; rows++) {
            if (rows > 1 && columns > 4 * unit) break;
            if (!fits_registers(t, rows, columns)) break;
            if (t->block % rows) continue;
            double cycles = tile_cycles(t, &e, rows, columns);
            if (best == 0 || cycles < best) {
                best = cycles;
                chosen = make_choice(t, rows, columns);
            }
        }
    return chosen;
}

void tile_add_levels(const tile_space *t, const tile_choice *c, int op, ds_schedule *s) {
    ds_schedule_add(s, op, "m", DS_LEVEL_tile, c->rows, c->rows_tail);
    ds_schedule_add(s, op, "n", DS_LEVEL_tile, tile_width(t, c), c->columns_tail);
    if (c->unroll > 1) ds_schedule_add(s, op, "k", DS_LEVEL_unroll, c->unroll, DS_TAIL_guard);
}

/* A tail that the code has for this axis. */
static bool tail_fits(ds_tail tail, ds_tail natural) {
    return tail == natural || (natural == DS_TAIL_guard && tail == DS_TAIL_repeat);
}

const char *tile_read(const tile_space *t, const ds_schedule *s, int op, tile_choice *out) {
    if (op == DS_OWN && s->mma && ds_mma_find(s->mma) && ds_mma_find(s->mma)->shape == DS_MMA_TILE)
        return tile_read_matrix(t, s, out);
    const ds_level *m = ds_schedule_find(s, op, "m", DS_LEVEL_tile), *n = ds_schedule_find(s, op, "n", DS_LEVEL_tile),
                   *k = ds_schedule_find(s, op, "k", DS_LEVEL_unroll);
    int64_t lanes = (int64_t)t->core->lanes, panel = DS_PANEL, extent;
    if (!m || !n) return "a product has no tile along m and n";
    *out = (tile_choice){.mma = t->mma,
                         .rows = m->step,
                         .columns = n->step / lanes,
                         .unroll = k ? k->step : 1,
                         .rows_tail = m->tail,
                         .columns_tail = n->tail};
    if (n->step % panel || out->columns > TILE_MOST_COLUMNS)
        return schedule_refuse(t->core, "a tile has %d columns at most, in panels of %d",
                               (int)(TILE_MOST_COLUMNS * lanes), (int)panel);
    if (out->rows > TILE_MOST_ROWS) return schedule_refuse(t->core, "a tile has %d rows at most", TILE_MOST_ROWS);
    bool least = out->rows == 1 && out->columns == panel_vectors(t);
    if (!least && !fits_registers(t, out->rows, out->columns))
        return schedule_refuse(t->core, "a tile of %dx%d takes more than %u registers", (int)out->rows, (int)n->step,
                               t->core->target->registers);
    if (out->rows > 1 && ds_expr_is_const(tile_rows_extent(t), &extent) && out->rows > (extent < 1 ? 1 : extent))
        return schedule_refuse(t->core, "a tile has more rows than there are");
    if (t->block % out->rows)
        return schedule_refuse(t->core, "rows of a tile must divide the %d at work", (int)t->block);
    if (out->unroll > TILE_STEPS || (out->unroll & (out->unroll - 1)))
        return schedule_refuse(t->core, "k is unrolled by 2 or %d", TILE_STEPS);
    if (!tail_fits(out->rows_tail, rows_tail(t, out->rows)))
        return "the tail of the tile's rows does not fit their number";
    if (out->columns_tail != tile_columns_tail(t, n->step))
        return "the tail of the tile's columns does not fit their number";
    if (out->rows_tail == DS_TAIL_repeat && t->block) return "rows of a block cannot be repeated";
    return NULL;
}

/* ---- pieces ---- */

/* Equal chunks of at most `chunk` of `count` blocks. */
static double even(double count, double chunk) {
    double chunks = floor((count + chunk - 1) / chunk);
    if (!(chunks >= 1)) chunks = 1; /* count is 0, or it is 1, and count + chunk - 1 less than chunk by rounding */
    return floor((count + chunks - 1) / chunks);
}

const ds_expr *tile_units(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    return tile_outer_points(t, tile_blocks(t, tile_rows_extent(t), c->rows * g->rows));
}

const ds_expr *tile_group(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    return g->group ? ds_expr_const(t->core->cx, g->group) : tile_units(t, c, g);
}

/* All of B fits half the L2 cache: one unit. Else as many as have their part of A there, so that B comes from afar once
 * for all of them. */
static int64_t choose_group(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    int64_t count;
    double k = tile_sum_length(t), room = (double)t->core->machine->l2_bytes / 2;
    double bytes = tile_step_bytes(t), group = 2 * room / (k * (double)g->rows * (double)c->rows * bytes);
    if (k * schedule_estimate(t->extent[t->n]) * bytes <= room) return 1;
    for (size_t i = 0; i < t->kept; i++)
        if (i != t->m && i != t->n && !ds_expr_equals(tile_coefficient(t, TILE_B, i), 0)) return 1;
    const ds_expr *units = tile_units(t, c, g);
    if (!ds_expr_is_const(units, &count)) return 0;
    int64_t chosen = (int64_t)even((double)count, group < 1 ? 1 : group);
    return chosen == count && count > 1 ? 0 : chosen;
}

/* How many row tiles and column blocks a piece has: rows whose part of A fits half the L2 cache, then columns, then
 * fewer rows, so that a piece is some microseconds and there are some pieces. */
static void choose_piece(const tile_space *t, const tile_choice *c, tile_grid *g) {
    double k = tile_sum_length(t);
    if (k < 1) k = 1; /* sums of nothing */
    const ds_expr *m_extent = tile_rows_extent(t);
    int64_t rows = c->rows, width = tile_width(t, c);
    double tile = (double)(rows * width) * k, m_tiles = schedule_estimate(tile_blocks(t, m_extent, rows)),
           n_blocks = schedule_estimate(tile_blocks(t, t->extent[t->n], width)), total = tile * m_tiles * n_blocks;
    for (size_t i = 0; i < t->kept; i++)
        if (i != t->m && i != t->n) total *= schedule_estimate(t->extent[i]);
    double faster = c->mma->rate > VECTOR_RATE ? c->mma->rate / VECTOR_RATE : 1, most = total / PIECES;
    if (most > PIECE_MACS * faster) most = PIECE_MACS * faster;
    if (most < LEAST_MACS * faster) most = LEAST_MACS * faster;
    double m_chunk = (double)t->core->machine->l2_bytes / 2 / (k * tile_step_bytes(t) * (double)rows);
    if (!ds_expr_is_const(m_extent, NULL)) m_chunk = 16;
    if (m_chunk > m_tiles) m_chunk = m_tiles;
    if (m_chunk < 1) m_chunk = 1;
    /* few rows for each element of B: its bytes take longer than the products */
    double cost = 1 + 8 / (m_chunk * (double)rows), n_chunk = most / (tile * m_chunk * cost);
    if (n_chunk > n_blocks) n_chunk = n_blocks;
    if (n_chunk < 1) {
        n_chunk = 1;
        double fewer = most / tile, least = CHOSEN_ROWS * 4 / (double)rows; /* B is read anew by every piece */
        if (fewer < least) fewer = least;
        if (fewer < m_chunk) m_chunk = fewer;
    }
    g->rows = (int64_t)even(m_tiles, m_chunk);
    g->columns = (int64_t)even(n_blocks, n_chunk);
}

static const ds_expr *grid_points(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    ds_ir_context *cx = t->core->cx;
    const ds_expr *units = tile_units(t, c, g), *group = tile_group(t, c, g);
    return ds_expr_mul(cx, ds_expr_mul(cx, ds_expr_ceildiv(cx, units, group), group),
                       tile_blocks(t, t->extent[t->n], tile_width(t, c) * g->columns));
}

static int64_t choose_chunk(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    double rows = (double)(g->rows * c->rows), k = tile_sum_length(t);
    double work = (double)(c->rows * tile_width(t, c)) * k * (1 + 8 / rows) * (double)g->rows * (double)g->columns / 16;
    return schedule_chunk(grid_points(t, c, g), work, 1);
}

/* ---- prefetching ---- */

enum { MOST_AHEAD = 4 }; /* in a turn of TILE_STEPS */

static int64_t most_ahead(const tile_choice *c) { return MOST_AHEAD * ((tile_turn(c) + TILE_STEPS - 1) / TILE_STEPS); }

/* Lines of B that one tile takes in for every turn. */
static double lines_taken(const tile_space *t, const tile_choice *c) {
    return (double)(tile_turn(c) * tile_width(t, c) * tile_step_elements(t)) / (double)tile_line(t);
}

typedef struct {
    double turns, groups, columns, own, spare;
} ahead_counts;

static ahead_counts count_ahead(const tile_space *t, const tile_choice *c, const tile_grid *g, int64_t lines) {
    const ds_expr *units = tile_units(t, c, g), *group = tile_group(t, c, g);
    ahead_counts a = {.own = lines_taken(t, c)};
    a.columns = schedule_estimate(tile_blocks(t, t->extent[t->n], tile_width(t, c)));
    a.turns = schedule_estimate(group) * (double)g->rows;
    a.groups = schedule_estimate(ds_expr_ceildiv(t->core->cx, units, group));
    double own_turns = (double)(size_t)((a.own + (double)lines - 1) / (double)lines);
    bool by_group = ds_expr_equals(group, 1) && a.groups > 1;
    a.spare = by_group ? (double)(int64_t)(a.groups / 2) * a.turns : a.groups * (a.turns - own_turns);
    return a;
}

/* What is fetched lies at places that are known. */
static bool can_prefetch(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    bool fixed = t->packed && ds_expr_is_const(t->extent[t->n], NULL) && tile_sum_length(t) >= (double)tile_turn(c) &&
                 (c->high || c->unroll == TILE_STEPS);
    for (size_t i = t->kept; i < t->rank; i++) fixed = fixed && ds_expr_is_const(t->extent[i], NULL);
    return fixed && schedule_estimate(tile_group(t, c, g)) * (double)g->rows > 1;
}

static bool can_fetch_behind(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    return ds_expr_is_const(tile_units(t, c, g), NULL) &&
           ds_expr_is_const(ds_layout_count(t->core->cx, ds_op_operand(t->op, 1)->type), NULL);
}

/* Fetches so much that the tiles of some columns fetch the next ones once, and what lies behind all columns as far as
 * they can. Where B stays in the L2 cache (groups of one unit), every other unit has nothing else to fetch. */
static void choose_ahead(const tile_space *t, const tile_choice *c, tile_grid *g, int64_t behind_bytes) {
    if (!can_prefetch(t, c, g)) return;
    double k = tile_sum_length(t), own = lines_taken(t, c),
           turns = schedule_estimate(tile_group(t, c, g)) * (double)g->rows;
    double behind = can_fetch_behind(t, c, g) ? (double)behind_bytes / t->core->machine->line_bytes : 0;
    ahead_counts a;
    for (g->lines = (int64_t)((own + turns - 1) / turns);; g->lines++) {
        a = count_ahead(t, c, g, g->lines);
        double spare = a.spare * a.columns * k / (double)tile_turn(c);
        if (g->lines >= most_ahead(c) || spare * (double)g->lines >= behind) break;
    }
    g->next = behind > 0 && a.spare >= 1 ? behind_bytes : 0;
}

tile_ahead tile_share_ahead(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    tile_ahead out = {0};
    if (!g->lines) return out;
    ahead_counts a = count_ahead(t, c, g, g->lines);
    out.by_group = ds_expr_equals(tile_group(t, c, g), 1) && a.groups > 1;
    out.turns = (size_t)a.turns;
    out.own_turns = (size_t)((a.own + (double)g->lines - 1) / (double)g->lines);
    double behind = (double)g->next / t->core->machine->line_bytes;
    if (g->next == 0 || a.spare < 1) return out;
    double most = tile_sum_length(t) / (double)tile_turn(c) * (double)g->lines, each = behind / (a.spare * a.columns);
    out.behind = (int64_t)((each < most ? each : most) * (double)tile_line(t));
    return out;
}

/* ---- the program ---- */

static bool open_kernel(tile_space *t, const ds_core *core, const ds_op *kernel) {
    const ds_op *first = ds_op_block(kernel, 0)->first;
    const ds_op *epilogue = schedule_epilogue(first), *last = epilogue ? epilogue : first;
    return (first->kind == DS_GRAPH_matmul || first->kind == DS_GRAPH_conv) && schedule_yields(kernel, last) &&
           tile_open(t, core, first, epilogue);
}

static void add_grid(const tile_space *t, const tile_choice *c, const tile_grid *g, ds_schedule *s) {
    int64_t rows = g->rows * c->rows, columns = g->columns * tile_width(t, c);
    if (g->group > 1) ds_schedule_add(s, DS_OWN, "m", DS_LEVEL_grid, g->group * rows, DS_TAIL_guard);
    if (g->group == 1) ds_schedule_add(s, DS_OWN, "m", DS_LEVEL_grid, rows, DS_TAIL_guard);
    ds_schedule_add(s, DS_OWN, "n", DS_LEVEL_grid, columns, schedule_tail(t->extent[t->n], columns, DS_TAIL_guard));
    if (g->group != 1) ds_schedule_add(s, DS_OWN, "m", DS_LEVEL_grid, rows, DS_TAIL_guard);
    if (g->chunk > 1) ds_schedule_add(s, DS_OWN, "grid", DS_LEVEL_serial, g->chunk, DS_TAIL_guard);
    s->prefetch_lines = g->lines;
    s->prefetch_next = g->next;
}

static ds_schedule make_schedule(const tile_space *t, const tile_choice *c, const tile_grid *g) {
    ds_schedule s = {.program = "tile", .mma = c->mma->name};
    add_grid(t, c, g, &s);
    if (c->high) tile_add_matrix_levels(t, c, &s);
    else tile_add_levels(t, c, DS_OWN, &s);
    if (t->epilogue) ds_schedule_place(&s, 0, (int)arrlen(s.levels) - 1, DS_SPACE_registers, 0);
    return s;
}

static void add_schedule(const tile_space *t, const tile_choice *c, tile_grid g, const ds_op *kernel,
                         ds_schedule **out) {
    g.group = choose_group(t, c, &g);
    choose_ahead(t, c, &g, schedule_weights_behind(t->core, kernel));
    g.chunk = choose_chunk(t, c, &g);
    arrput(*out, make_schedule(t, c, &g));
}

/* Other pieces: half or twice as many rows, or columns. */
static void add_other_pieces(const tile_space *t, const tile_choice *c, const tile_grid *g, const ds_op *kernel,
                             ds_schedule **out) {
    int64_t tiles = (int64_t)schedule_estimate(tile_blocks(t, tile_rows_extent(t), c->rows)),
            blocks = (int64_t)schedule_estimate(tile_blocks(t, t->extent[t->n], tile_width(t, c)));
    if (g->rows > 1) add_schedule(t, c, (tile_grid){.rows = (g->rows + 1) / 2, .columns = g->columns}, kernel, out);
    if (g->rows * 2 <= tiles) add_schedule(t, c, (tile_grid){.rows = g->rows * 2, .columns = g->columns}, kernel, out);
    if (g->columns > 1) add_schedule(t, c, (tile_grid){.rows = g->rows, .columns = (g->columns + 1) / 2}, kernel, out);
    if (g->columns * 2 <= blocks)
        add_schedule(t, c, (tile_grid){.rows = g->rows, .columns = g->columns * 2}, kernel, out);
}

static void add_other_tiles(const tile_space *t, const tile_choice *best, const ds_op *kernel, ds_schedule **out) {
    tile_extents e = extents_of(t);
    double least = tile_cycles(t, &e, best->rows, best->columns);
    for (int64_t columns = panel_vectors(t); columns <= TILE_MOST_COLUMNS; columns += panel_vectors(t))
        for (int64_t rows = 1; rows <= TILE_MOST_ROWS && rows <= e.m; rows++) {
            bool same = rows == best->rows && columns == best->columns;
            if (same || !fits_registers(t, rows, columns) || tile_cycles(t, &e, rows, columns) > 1.5 * least) continue;
            tile_choice c = make_choice(t, rows, columns);
            tile_grid g = {0};
            choose_piece(t, &c, &g);
            add_schedule(t, &c, g, kernel, out);
        }
}

void propose_tile(const ds_core *core, const ds_op *kernel, ds_schedule **out) {
    tile_space t;
    if (!open_kernel(&t, core, kernel)) return;
    tile_choice c = tile_choose(&t), matrices;
    tile_grid g = {0};
    tile_extents e = extents_of(&t);
    double cycles = tile_cycles(&t, &e, c.rows, c.columns) * e.k;
    if (tile_choose_matrix(&t, cycles, e.m, e.n, &matrices)) {
        choose_piece(&t, &matrices, &g);
        add_schedule(&t, &matrices, g, kernel, out);
    }
    choose_piece(&t, &c, &g);
    add_schedule(&t, &c, g, kernel, out);
    if (!core->exhausts) return;
    add_other_pieces(&t, &c, &g, kernel, out);
    add_other_tiles(&t, &c, kernel, out);
}

const char *tile_read_grid(const tile_space *t, const ds_schedule *s, const tile_choice *c, tile_grid *out) {
    const ds_level *grid[4], *serial = ds_schedule_find(s, DS_OWN, "grid", DS_LEVEL_serial);
    size_t count = 0;
    for (size_t i = 0; i < arrlenu(s->levels) && count < DS_COUNT(grid); i++)
        if (s->levels[i].kind == DS_LEVEL_grid) grid[count++] = &s->levels[i];
    const char *order[4] = {0};
    for (size_t i = 0; i < count; i++) order[i] = grid[i]->axis;
    bool rows_first = count == 2 && !strcmp(order[0], "m") && !strcmp(order[1], "n"),
         columns_first = count == 2 && !strcmp(order[0], "n") && !strcmp(order[1], "m"),
         grouped = count == 3 && !strcmp(order[0], "m") && !strcmp(order[1], "n") && !strcmp(order[2], "m");
    if (!rows_first && !columns_first && !grouped)
        return "the grid of a product has the levels m and n, n and m, or m, n and m";
    int64_t rows = grid[grouped ? 2 : columns_first]->step, columns = grid[rows_first || grouped]->step;
    if (columns_first) columns = grid[0]->step;
    if (rows % c->rows) return "a piece has rows of whole tiles";
    if (columns % tile_width(t, c)) return "a piece has columns of whole tiles";
    if (grouped && grid[0]->step % rows) return "a group of rows has whole pieces";
    *out = (tile_grid){.rows = rows / c->rows,
                       .columns = columns / tile_width(t, c),
                       .group = grouped      ? grid[0]->step / rows
                                : rows_first ? 1
                                             : 0,
                       .chunk = serial ? serial->step : 1,
                       .lines = s->prefetch_lines,
                       .next = s->prefetch_next};
    int64_t units;
    if (grouped && ds_expr_is_const(tile_units(t, c, out), &units) && out->group > units)
        return "a group has more rows than there are";
    if (grouped && !ds_expr_is_const(tile_units(t, c, out), NULL))
        return "groups of rows need a number of rows that is known";
    if (out->lines > 2 * most_ahead(c))
        return schedule_refuse(t->core, "a tile fetches %d lines ahead at most", (int)(2 * most_ahead(c)));
    if (out->lines && !can_prefetch(t, c, out))
        return "nothing can be fetched ahead: extents are not known, or k is not unrolled";
    if (out->next && !can_fetch_behind(t, c, out))
        return "nothing can be fetched for the next kernels: extents are not known";
    return NULL;
}

const char *check_tile(const ds_core *core, const ds_op *kernel, const ds_schedule *s) {
    tile_space t;
    tile_choice c;
    tile_grid g;
    if (!open_kernel(&t, core, kernel)) return "the kernel is not a product with a tiled form";
    const ds_mma *row = s->mma ? ds_mma_find(s->mma) : NULL;
    if (!row || (row != t.mma && row != tile_matrix_row(&t)))
        return "no multiply-add of this name is for these element types";
    const char *wrong = tile_read(&t, s, DS_OWN, &c);
    if (!wrong) wrong = tile_read_grid(&t, s, &c, &g);
    if (wrong) return wrong;
    ds_schedule same = make_schedule(&t, &c, &g);
    return schedule_compare(core, s, &same);
}
