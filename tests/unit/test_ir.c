/* Types, attributes, use lists, cloning; narrow floats; the wire walker on hostile bytes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "frontend/wire.h"
#include "ir/base/hash.h"
#include "ir/eval.h"
#include "ir/facts/facts.h"
#include "ir/mma.h"
#include "ir/rewrite.h"

static ds_diag diag;

static void types_are_interned(void **state) {
    (void)state;
    ds_ir_context *cx = ds_context_create(&diag);
    const ds_expr *dims[] = {ds_expr_const(cx, 2), ds_expr_symbol(cx, "seq")};
    const ds_type *a = ds_type_tensor(cx, DS_f32, 2, dims, NULL), *b = ds_type_tensor(cx, DS_f32, 2, dims, NULL);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, ds_type_with_elem(cx, a, DS_f16));
    uint64_t count;
    assert_false(ds_type_static_count(a, &count));
    const ds_expr *huge[] = {ds_expr_const(cx, INT64_MAX / 2), ds_expr_const(cx, 8)};
    assert_false(ds_type_static_count(ds_type_tensor(cx, DS_f32, 2, huge, NULL), &count));
    ds_context_destroy(cx);
}

static void uses_follow_replacement(void **state) {
    (void)state;
    ds_ir_context *cx = ds_context_create(&diag);
    ds_module *m = ds_module_create(cx);
    ds_op *func = ds_func_create(m, "f");
    const ds_type *t = ds_type_tensor(cx, DS_f32, 0, NULL, NULL);
    ds_value *x = ds_block_add_arg(m, ds_op_block(func, 0), t, NULL),
             *y = ds_block_add_arg(m, ds_op_block(func, 0), t, NULL);
    ds_builder b = {m, ds_op_block(func, 0), NULL, NULL};
    ds_op *r = ds_op_create(&b, DS_GRAPH_reshape, &x, 1, &t, 1, 0);
    ds_value *out = ds_op_result(r, 0);
    ds_op_create(&b, DS_RETURN, &out, 1, NULL, 0, 0);
    assert_true(ds_value_has_one_use(x));
    ds_value_replace_uses(x, y);
    assert_true(ds_value_unused(x));
    assert_ptr_equal(ds_op_operand(r, 0), y);
    assert_int_equal(ds_module_verify(m), DS_OK);
    ds_module_destroy(m);
    ds_context_destroy(cx);
}

static void narrow_floats_round_trip(void **state) {
    (void)state;
    static const ds_elem elems[] = {DS_f16, DS_bf16, DS_f8e4m3fn, DS_f8e4m3fnuz, DS_f8e5m2, DS_f8e5m2fnuz, DS_f4e2m1};
    for (size_t k = 0; k < DS_COUNT(elems); k++)
        for (uint64_t bits = 0; bits < (1ull << ds_elem_facts(elems[k])->bits); bits++) {
            double v = ds_float_decode(elems[k], bits);
            if (isnan(v)) assert_true(isnan(ds_float_decode(elems[k], ds_float_encode(elems[k], v, false))));
            else assert_int_equal(ds_float_encode(elems[k], v, false), bits);
        }
    assert_int_equal(ds_float_encode(DS_f16, 65520.0, true), 0x7c00); /* rounds to infinity */
    assert_int_equal(ds_float_encode(DS_f8e4m3fn, 1e9, true), 0x7e);  /* saturates */
}

/* Elements of less than 8 bits follow each other as bits; nothing behind the last byte is touched. */
static void few_bits_follow_each_other(void **state) {
    (void)state;
    static const ds_elem elems[] = {DS_i4, DS_i3, DS_u2};
    static const ds_elem_unit units[] = {{2, 1}, {8, 3}, {4, 1}};
    enum { COUNT = 13, MOST = 8, GUARD = 0xa5 };
    for (size_t k = 0; k < DS_COUNT(elems); k++) {
        unsigned bits = ds_elem_facts(elems[k])->bits, all = (1u << bits) - 1;
        uint8_t bytes[MOST] = {0};
        uint64_t length;
        assert_int_equal(ds_elem_unit_of(elems[k]).elements, units[k].elements);
        assert_int_equal(ds_elem_unit_of(elems[k]).bytes, units[k].bytes);
        assert_true(ds_elem_bytes(elems[k], COUNT, &length) && length == (COUNT * bits + 7) / 8);
        bytes[length] = GUARD;
        for (unsigned i = 0; i < COUNT; i++) ds_bits_put(bytes, i, bits, 5 * i + 3);
        for (unsigned i = 0; i < COUNT; i++) assert_int_equal(ds_bits_at(bytes, i, bits), (5 * i + 3) & all);
        assert_int_equal(bytes[length], GUARD);
    }
    assert_int_equal(ds_elem_unit_of(DS_f32).elements, 1);
    assert_int_equal(ds_elem_in_bytes(DS_i3, 64), 168);
    assert_int_equal(ds_elem_in_bytes(DS_i4, 64), 128);
    uint8_t stream[] = {0x88, 0xc6, 0xfa}; /* 0 to 7, low bits first */
    for (unsigned i = 0; i < 8; i++) assert_int_equal(ds_bits_at(stream, i, 3), i);
}

static void facts_join_and_wrap(void **state) {
    (void)state;
    ds_fact f = ds_fact_none();
    for (int i = 0; i < 4; i++) f = ds_fact_join(f, ds_fact_point(i % 3 ? i : -i));
    assert_int_equal(f.count, 4);
    assert_true(ds_fact_holds(&f, -3) && ds_fact_holds(&f, 0) && !ds_fact_holds(&f, -1) && !ds_fact_is_flag(&f));
    f = ds_fact_join(f, ds_fact_point((double)NAN));
    assert_true(f.nan && f.count == 4);
    f = ds_fact_join(f, ds_fact_point(7));
    assert_true(f.count == 0 && f.low == -3 && f.high == 7);
    ds_fact whole = ds_fact_between(DS_i8, -100, 127, false), wrapped = ds_fact_between(DS_i8, -100, 128, false);
    assert_true(whole.low == -100 && whole.high == 127);
    assert_true(wrapped.low == -128 && wrapped.high == 127);
    ds_fact wide = ds_fact_any(DS_i64), more = ds_fact_between(DS_i64, 1, 0x1p63, false);
    assert_true(wide.low == -0x1p63 && wide.high == 0x1p63 && ds_fact_equal(&wide, &more));
    ds_fact third = ds_fact_between(DS_f32, 1.0 / 3, 1.0 / 3, false), zero = ds_fact_between(DS_f32, -0.0, 0, false);
    assert_true(third.low < 1.0 / 3 && third.high > 1.0 / 3 && (double)(float)third.low == third.low);
    assert_true(ds_fact_is_flag(&zero) && ds_fact_is(&zero, 0));
    ds_fact truth = ds_fact_any(DS_b1), narrow = ds_fact_any(DS_f4e2m1);
    assert_true(ds_fact_is_flag(&truth) && narrow.low == -6 && narrow.high == 6 && !narrow.nan);
}

static void facts_follow_what_a_caller_knows(void **state) {
    (void)state;
    ds_ir_context *cx = ds_context_create(&diag);
    ds_module *m = ds_module_create(cx);
    ds_op *func = ds_func_create(m, "f");
    const ds_type *t = ds_type_tensor(cx, DS_f32, 0, NULL, NULL);
    ds_value *x = ds_block_add_arg(m, ds_op_block(func, 0), t, NULL);
    ds_builder b = {m, ds_op_block(func, 0), NULL, NULL};
    ds_op *r = ds_op_create(&b, DS_GRAPH_reshape, &x, 1, &t, 1, 0);
    ds_facts facts = {.cx = cx};
    ds_fact nothing = ds_facts_of(&facts, x);
    assert_true(nothing.nan && nothing.low == -(double)INFINITY);
    ds_facts_set(&facts, x, ds_fact_between(DS_f32, 0, 6, false));
    ds_facts_compute(&facts, ds_op_block(func, 0));
    ds_fact f = ds_facts_of(&facts, ds_op_result(r, 0));
    assert_true(f.low == 0 && f.high == 6 && !f.nan);
    ds_facts_yield yield;
    assert_false(ds_facts_where_zero(&facts, r, 0, 0, true, &yield));
    ds_facts_free(&facts);
    ds_module_destroy(m);
    ds_context_destroy(cx);
}

static bool skip_inner_reshape(ds_rewriter *rw, ds_op *op) {
    ds_op *inner = ds_op_operand(op, 0)->op;
    if (!inner) return false;
    ds_op_set_operand(op, 0, ds_op_operand(inner, 0));
    if (ds_value_unused(ds_op_result(inner, 0))) ds_rewriter_erase(rw, inner);
    return true;
}

static bool claims_a_change(ds_rewriter *rw, ds_op *op) {
    (void)rw, (void)op;
    return true;
}

static void count_rule(void *user, ds_module *m, const ds_rule *rule, const ds_op *op) {
    (void)m;
    assert_string_equal(rule->name, "skip-inner");
    assert_int_equal(op->kind, DS_GRAPH_reshape);
    ++*(size_t *)user;
}

static void rules_apply_until_none_does(void **state) {
    (void)state;
    ds_ir_context *cx = ds_context_create(&diag);
    ds_module *m = ds_module_create(cx);
    ds_op *func = ds_func_create(m, "f");
    const ds_expr *dims[] = {ds_expr_const(cx, 6), ds_expr_const(cx, 1)};
    const ds_type *t[] = {ds_type_tensor(cx, DS_f32, 1, dims, NULL), ds_type_tensor(cx, DS_f32, 2, dims, NULL)};
    ds_block *block = ds_op_block(func, 0);
    ds_value *x = ds_block_add_arg(m, block, t[0], NULL), *v = x;
    ds_builder b = {m, block, NULL, NULL};
    for (int i = 0; i < 7; i++) v = ds_op_result(ds_op_create(&b, DS_GRAPH_reshape, &v, 1, &t[(i + 1) % 2], 1, 0), 0);
    ds_op_create(&b, DS_RETURN, &v, 1, NULL, 0, 0);
    const ds_rule rules[] = {{"skip-inner", DS_GRAPH_reshape, skip_inner_reshape}},
                  endless[] = {{"endless", DS_GRAPH_reshape, claims_a_change}};
    size_t traced = 0;
    assert_int_equal(ds_rewrite(m, block, rules, 1, NULL, count_rule, &traced), 6);
    assert_int_equal(traced, 6);
    assert_ptr_equal(block->first, v->op);
    assert_ptr_equal(ds_op_operand(v->op, 0), x);
    assert_int_equal(ds_module_verify(m), DS_OK);
    assert_true(ds_rewrite(m, block, endless, 1, NULL, NULL, NULL) >= 1000); /* gives up with a warning */
    ds_module_destroy(m);
    ds_context_destroy(cx);
}

/* What a target cannot execute is not for it; of what it can, the fastest. */
static void products_have_rows(void **state) {
    (void)state;
    const ds_target *v3 = ds_target_find("x86-64-v3");
    const ds_mma *fma = ds_mma_for(v3, DS_f32, DS_f32, DS_f32);
    assert_non_null(fma);
    assert_ptr_equal(fma, ds_mma_find(fma->name));
    assert_ptr_equal(fma, ds_mma_for(NULL, DS_f32, DS_f32, DS_f32));
    assert_null(ds_mma_for(v3, DS_f64, DS_f64, DS_f64));
    assert_null(ds_mma_find("fma"));
    ds_mma dots = {.name = "dots", .rhs = DS_i8, .k = 4, .needs = "+dots"};
    ds_target with = *v3, without = *v3;
    with.features = "-prefer-256-bit,+dots", without.features = "+dots2,-dots";
    assert_true(ds_mma_runs_on(&dots, &with));
    assert_false(ds_mma_runs_on(&dots, &without));
}

/* Columns for every ISA level; what an instruction takes of k lies together. */
static void panels_follow_from_rows(void **state) {
    (void)state;
    assert_int_equal(ds_mma_panel(ds_mma_find("fma_f32")).columns, DS_PANEL);
    assert_int_equal(ds_mma_panel(ds_mma_find("fma_f32")).group, 1);
    const ds_mma rows[] = {{.rhs = DS_i8, .k = 4},
                           {.rhs = DS_i8, .k = 64},
                           {.rhs = DS_bf16, .k = 2},
                           {.rhs = DS_bf16, .k = 1},
                           {.rhs = DS_f64, .k = 1},
                           {.rhs = DS_i8, .m = 2, .k = 8, .shape = DS_MMA_SQUARE},
                           {.rhs = DS_bf16, .m = 2, .k = 4, .shape = DS_MMA_SQUARE},
                           {.rhs = DS_i4, .k = 8},
                           {.rhs = DS_i3, .k = 8}};
    const unsigned groups[] = {4, 4, 2, 1, 1, 8, 4, 8, 8}, bytes[] = {0, 0, 0, 0, 0, 0, 0, 0, 3};
    for (size_t i = 0; i < DS_COUNT(rows); i++) {
        assert_int_equal(ds_mma_panel(&rows[i]).group, groups[i]);
        assert_int_equal(ds_mma_column_bytes(&rows[i]), bytes[i]);
    }
    assert_true(ds_mma_filled(&rows[5], 1) < 1 && ds_mma_filled(&rows[5], 3) >= 1);
}

static ds_status slim(const char *bytes, size_t length) {
    ds_string out;
    ds_status status = ds_wire_slim(&diag, DS_WIRE_MODEL, (const uint8_t *)bytes, length, &out);
    if (status == DS_OK) ds_string_free(&out);
    return status;
}

static void hostile_wire_bytes_are_refused(void **state) {
    (void)state;
    assert_int_equal(slim("\x3a\x7f", 2), DS_BAD_INPUT); /* a graph longer than the file */
    assert_int_equal(slim("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11), DS_BAD_INPUT);
    assert_int_equal(slim("", 0), DS_OK);
    char deep[64];
    size_t n = sizeof deep;
    memset(deep, 0x3b, n); /* start-group tags: not valid in proto2 messages of ours */
    assert_int_equal(slim(deep, n), DS_BAD_INPUT);
}

static void assert_digest(const char *text, size_t length, size_t part, const char *expected) {
    ds_hasher h;
    char hex[65];
    ds_hasher_open(&h);
    for (size_t at = 0; at < length; at += part) ds_hasher_add(&h, text + at, part < length - at ? part : length - at);
    ds_digest d = ds_hasher_close(&h);
    for (size_t i = 0; i < sizeof d.bytes; i++) snprintf(hex + 2 * i, 3, "%02x", d.bytes[i]);
    assert_string_equal(hex, expected);
}

static void digests_are_those_of_sha_256(void **state) {
    (void)state;
    const char two[] =
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"; /* FIPS 180-4; its padding needs a second block */
    char many[1000];
    memset(many, 'a', sizeof many);
    assert_digest("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t part = 1; part < 70; part++)
        assert_digest(two, 56, part, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    for (size_t part = 1; part < 200; part += 9)
        assert_digest(many, sizeof many, part, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_interned),
        cmocka_unit_test(uses_follow_replacement),
        cmocka_unit_test(narrow_floats_round_trip),
        cmocka_unit_test(few_bits_follow_each_other),
        cmocka_unit_test(facts_join_and_wrap),
        cmocka_unit_test(facts_follow_what_a_caller_knows),
        cmocka_unit_test(rules_apply_until_none_does),
        cmocka_unit_test(products_have_rows),
        cmocka_unit_test(panels_follow_from_rows),
        cmocka_unit_test(digests_are_those_of_sha_256),
        cmocka_unit_test(hostile_wire_bytes_are_refused),
    };
    int failed = cmocka_run_group_tests_name("ir", tests, NULL, NULL);
    ds_string_free(&diag.text);
    return failed;
}
