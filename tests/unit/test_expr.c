/* Expressions: canonical forms, division, min and max, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ir/ir.h"

static ds_diag diag;

static int open_context(void **state) {
    *state = ds_context_create(&diag);
    return 0;
}

static int close_context(void **state) {
    ds_context_destroy(*state);
    return 0;
}

static const ds_expr *e(void **state, const char *text) {
    const ds_expr *result = ds_expr_parse(*state, text, 4);
    assert_non_null(result);
    return result;
}

static void check(void **state, const char *text, const char *want) {
    ds_string out = {0};
    ds_expr_print(&out, e(state, text));
    assert_string_equal(out.data, want);
    ds_string_free(&out);
}

static void equal_expressions_are_one_pointer(void **state) {
    assert_ptr_equal(e(state, "2 * seq + 1"), e(state, "seq + 1 + seq"));
    assert_ptr_equal(e(state, "(a + b) * (a - b)"), e(state, "a * a - b * b"));
    assert_ptr_not_equal(e(state, "a"), e(state, "b"));
}

static void division_is_exact_where_it_can_be(void **state) {
    assert_ptr_equal(e(state, "(batch * seq * 768) floordiv (batch * seq)"), e(state, "768"));
    assert_ptr_equal(e(state, "(past * 64 + seq * 64) floordiv (past + seq)"), e(state, "64"));
    assert_ptr_equal(e(state, "(d0 * 16 + 5) floordiv 16"), e(state, "d0"));
    assert_ptr_equal(e(state, "(d0 * 16 + 5) mod 16"), e(state, "5"));
    assert_ptr_equal(e(state, "(-7) floordiv 2"), e(state, "-4"));
    check(state, "(seq + 1) floordiv 2", "((seq + 1) floordiv 2)");
}

static void extents_are_not_negative(void **state) {
    assert_ptr_equal(e(state, "max(seq, 0)"), e(state, "seq"));
    assert_ptr_equal(e(state, "min(seq, seq + 3)"), e(state, "seq"));
    assert_true(ds_expr_nonneg(e(state, "a * b + 2")));
    assert_false(ds_expr_nonneg(e(state, "v_0"))); /* read at run time */
}

static void linear_parts(void **state) {
    const ds_expr *c, *rest;
    assert_true(ds_expr_linear(*state, e(state, "d0 * seq * 4 + d1 + 7"), 0, &c, &rest));
    assert_ptr_equal(c, e(state, "seq * 4"));
    assert_ptr_equal(rest, e(state, "d1 + 7"));
    assert_false(ds_expr_linear(*state, e(state, "d0 floordiv 2"), 0, &c, &rest));
}

static void malformed_text_is_refused(void **state) {
    assert_null(ds_expr_parse(*state, "a +", 0));
    assert_null(ds_expr_parse(*state, "(a", 0));
    assert_null(ds_expr_parse(*state, "", 0));
    assert_null(ds_expr_parse(*state, "min(a", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_expressions_are_one_pointer), cmocka_unit_test(division_is_exact_where_it_can_be),
        cmocka_unit_test(extents_are_not_negative),          cmocka_unit_test(linear_parts),
        cmocka_unit_test(malformed_text_is_refused),
    };
    return cmocka_run_group_tests_name("expr", tests, open_context, close_context);
}
