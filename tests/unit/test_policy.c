/* Encodings and policies: what is written is read again; what is wrong is an error that says where. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "ir/policy.h"

static ds_diag diag;

static void encodings_are_read_and_written(void **state) {
    (void)state;
    static const struct {
        const char *text, *printed; /* NULL: it is no encoding */
    } cases[] = {
        {"f32", "f32"},
        {"  bf16\t", "bf16"},
        {"tf32", "tf32"},
        {"u8", "ui8 asym per-tensor"},
        {"ui8 per-tensor asym", "ui8 asym per-tensor"},
        {"i4 blocks=32", "i4 sym blocks=32"},
        {"i8 per-channel", "i8 sym per-channel"},
        {"i8 dynamic", "i8 sym dynamic"},
        {"f8E4M3FN per-tensor", "f8E4M3FN per-tensor"},
        {"f8e5m2", "f8E5M2"},
        {"", NULL},
        {"int8", NULL},
        {"index", NULL},
        {"i1", NULL},
        {"i32", NULL},
        {"f32 sym", NULL},
        {"i8 sym asym", NULL},
        {"i4 blocks=33", NULL},
        {"i4 blocks=99999999999999999999", NULL},
        {"i4 blocks=", NULL},
        {"i4 blocks=32 per-tensor", NULL},
        {"i8 dynamic per-channel", NULL},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        ds_encoding e, again;
        ds_string text = {0};
        const char *rest, *why;
        bool good = ds_encoding_parse(cases[i].text, &e, &rest, &why) && !*rest;
        assert_int_equal(good, cases[i].printed != NULL);
        if (!good) continue;
        ds_encoding_print(&text, &e);
        assert_string_equal(text.data, cases[i].printed);
        assert_true(ds_encoding_parse(text.data, &again, &rest, &why) && ds_encodings_equal(&e, &again));
        ds_string_free(&text);
    }
}

static ds_encoding encoding(const char *text) {
    ds_encoding e;
    const char *rest, *why;
    assert_true(ds_encoding_parse(text, &e, &rest, &why));
    return e;
}

static void ends_become_scales(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double min, max, scale;
        int64_t zero;
    } cases[] = {
        {"u8", 0, 2.55, 0.01, 0},
        {"u8", -1, 1.55, 0.01, 100},
        {"u8", 1, 2.55, 0.01, 0},
        {"u8", -2.55, -1, 0.01, 255},
        {"u8 sym", -1.27, 1, 0.01, 128},
        {"i8", -1.27, 1, 0.01, 0},
        {"i8 asym", -1.28, 1.27, 0.01, 0},
        {"i4", -0.7, 0.1, 0.1, 0},
        {"i8", 0, 0, 1, 0},
        {"f8E5M2 per-tensor", -1, 57344, 1, 0},
        {"f8E5M2 per-tensor", -1, 57345, 2, 0},
        {"f8E4M3FN per-tensor", -224, 0, 0.5, 0},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        const ds_encoding e = encoding(cases[i].text);
        float scale;
        int64_t zero;
        ds_encoding_fit(&e, cases[i].min, cases[i].max, &scale, &zero);
        assert_true(fabs((double)scale - cases[i].scale) < 1e-6);
        assert_int_equal(zero, cases[i].zero);
    }
}

static void names_match_patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool same;
    } cases[] = {
        {"*", "", true},
        {"*", "/a/b.act", true},
        {"a", "a", true},
        {"a", "b", false},
        {"a?", "ab", true},
        {"a?", "a", false},
        {"*.act", "x.act", true},
        {"*.act", "x.act2", false},
        {"a*b*c", "aXbYbc", true},
        {"a*b*c", "aXbYb", false},
        {"", "", true},
        {"", "a", false},
        {"*conv?.weight", "/l/conv1.weight", true},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++)
        assert_int_equal(ds_policy_matches(cases[i].pattern, cases[i].name), cases[i].same);
}

static ds_status parse(ds_ir_context *cx, const char *text, ds_policy *out) {
    diag.text.length = 0;
    return ds_policy_parse(cx, text, strlen(text), out);
}

static void the_first_rule_that_fits_decides(void **state) {
    (void)state;
    static const char text[] = "# a comment\n\nhead*.weight: f32\n*.weight: i4 sym per-channel\r\n"
                               "*.act: ui8 asym moving-average momentum=0.5 if span<10\n*: bf16";
    ds_ir_context *cx = ds_context_create(&diag);
    ds_policy policy;
    assert_int_equal(parse(cx, text, &policy), DS_OK);
    assert_int_equal(policy.count, 4);
    assert_int_equal(ds_policy_find(&policy, "head1.weight", 1)->encoding.elem, DS_f32);
    assert_int_equal(ds_policy_find(&policy, "conv1.weight", (double)NAN)->encoding.elem, DS_i4);
    const ds_policy_rule *rule = ds_policy_find(&policy, "conv1.act", 9);
    assert_string_equal(rule->observer, "moving-average");
    assert_string_equal(rule->option, "momentum");
    assert_true(rule->parameter == 0.5 && rule->line == 5);
    assert_int_equal(ds_policy_find(&policy, "conv1.act", 10)->encoding.elem, DS_bf16);
    assert_int_equal(ds_policy_find(&policy, "conv1.act", (double)NAN)->encoding.elem, DS_bf16);
    ds_context_destroy(cx);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const char *const cases[] = {
        "*.act",
        ": f32",
        "*: ",
        "*: int8",
        "*: i8 if",
        "*: i8 if span",
        "*: i8 if span<x",
        "*: i8 if span<-1",
        "*: i8 if span<1 more",
        "*: i8 minmax bits=x",
        "*: i8 minmax what else",
    };
    ds_ir_context *cx = ds_context_create(&diag);
    ds_policy policy;
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        assert_int_equal(parse(cx, ds_arena_printf(cx->arena, "# first\n%s\n", cases[i]), &policy), DS_BAD_INPUT);
        assert_non_null(strstr(diag.text.data, "line 2"));
        assert_int_equal(policy.count, 0);
    }
    ds_context_destroy(cx);
}

static void names_of_policies_are_known(void **state) {
    (void)state;
    ds_ir_context *cx = ds_context_create(&diag);
    ds_policy policy;
    assert_true(ds_policy_named(cx, "int8", &policy) && policy.count == 2 && !policy.pays);
    assert_true(ds_policy_named(cx, "bf16", &policy) && policy.count == 1 && policy.pays);
    assert_true(ds_policy_named(cx, "range", &policy) && policy.count == 7);
    assert_false(ds_policy_named(cx, "int9", &policy));
    assert_non_null(strstr(ds_policy_words(cx), "range"));
    ds_context_destroy(cx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_are_read_and_written), cmocka_unit_test(ends_become_scales),
        cmocka_unit_test(names_match_patterns),           cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(what_is_wrong_is_said),          cmocka_unit_test(names_of_policies_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
