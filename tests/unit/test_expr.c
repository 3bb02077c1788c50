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

static void bounds_follow_from_parts(void **state) {
    assert_true(ds_expr_nonneg(e(state, "1 - min(1, n)")));
    assert_true(ds_expr_nonneg(e(state, "7 - n mod 8")));
    assert_false(ds_expr_nonneg(e(state, "6 - n mod 8")));
    assert_int_equal(e(state, "min(4, n) * 3 + 2")->range.high, 14);
    assert_int_equal(e(state, "n + 2")->range.low, 2);
    assert_int_equal(e(state, "(n + 8) floordiv 4")->range.low, 2);
    assert_int_equal(e(state, "0 - n")->range.low, INT64_MIN);
    assert_int_equal(e(state, "v_0 * n")->range.high, INT64_MAX);
    check(state, "max(0, 1 - min(1, n))", "-min(1, n) + 1");
}

static void a_broadcast_is_the_extent_that_is_not_1(void **state) {
    assert_ptr_equal(e(state, "broadcast(a, b)"), e(state, "broadcast(b, a)"));
    assert_ptr_equal(e(state, "broadcast(a, broadcast(b, c))"), e(state, "broadcast(broadcast(c, a), b)"));
    assert_ptr_equal(e(state, "broadcast(a, broadcast(b, a))"), e(state, "broadcast(a, b)"));
    assert_ptr_equal(e(state, "broadcast(a, 1)"), e(state, "a"));
    assert_ptr_equal(e(state, "broadcast(1, 1)"), e(state, "1"));
    assert_ptr_equal(e(state, "broadcast(a, 8)"), e(state, "8"));
    assert_ptr_equal(e(state, "broadcast(0, a)"), e(state, "0"));
    assert_ptr_equal(e(state, "broadcast(a + 2, b)"), e(state, "a + 2"));
    assert_ptr_equal(e(state, "broadcast(min(1, n), n)"), e(state, "n"));
    check(state, "broadcast(c, broadcast(b, a)) * 2 + 1", "broadcast(a, b, c) * 2 + 1");
    assert_true(ds_expr_nonneg(e(state, "broadcast(a, b)")));
    assert_true(ds_expr_broadcasts(e(state, "broadcast(a, b, c)"), e(state, "b")));
    assert_false(ds_expr_broadcasts(e(state, "broadcast(a, b)"), e(state, "c")));
}

static int64_t first_letter(void *user, const ds_expr *atom) {
    const int64_t *values = user;
    return values[atom->name[0] - 'a'];
}

static void broadcasts_have_values(void **state) {
    int64_t values[] = {1, 5, 1, 0};
    const ds_expr *all = e(state, "broadcast(a, b, c)"), *none = e(state, "broadcast(a, d)");
    assert_int_equal(ds_expr_evaluate(all, first_letter, values), 5);
    assert_int_equal(ds_expr_evaluate(none, first_letter, values), 0);
    values[1] = 1;
    assert_int_equal(ds_expr_evaluate(all, first_letter, values), 1);
}

static void stretching_is_0_or_1(void **state) {
    assert_ptr_equal(ds_expr_stretch(*state, e(state, "1")), e(state, "0"));
    assert_ptr_equal(ds_expr_stretch(*state, e(state, "min(1, n)")), e(state, "0"));
    assert_ptr_equal(ds_expr_stretch(*state, e(state, "n + 2")), e(state, "1"));
    const ds_expr *flag = ds_expr_stretch(*state, e(state, "n"));
    assert_true(ds_expr_is_flag(flag));
    assert_ptr_equal(ds_expr_mul(*state, flag, flag), flag);
    assert_ptr_equal(ds_expr_mul(*state, ds_expr_mul(*state, flag, e(state, "d0 * 3")), flag),
                     ds_expr_mul(*state, flag, e(state, "d0 * 3")));
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
    assert_null(ds_expr_parse(*state, "min(a)", 0));
    assert_null(ds_expr_parse(*state, "broadcast(a,)", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_expressions_are_one_pointer),
        cmocka_unit_test(division_is_exact_where_it_can_be),
        cmocka_unit_test(extents_are_not_negative),
        cmocka_unit_test(linear_parts),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(bounds_follow_from_parts),
        cmocka_unit_test(a_broadcast_is_the_extent_that_is_not_1),
        cmocka_unit_test(broadcasts_have_values),
        cmocka_unit_test(stretching_is_0_or_1),
    };
    return cmocka_run_group_tests_name("expr", tests, open_context, close_context);
}
