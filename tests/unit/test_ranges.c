/* Files of ranges: what is written is read again, with the same bytes; what is wrong is an error that names the value. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "ir/ranges.h"

static ds_diag diag;

static ds_status parse(ds_ir_context *cx, const char *text, ds_ranges *out) {
    diag.text.length = 0;
    return ds_ranges_parse(cx, text, strlen(text), out);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    ds_ir_context *cx = ds_context_create(&diag);
    const double low[] = {-1, 0.1f}, high[] = {0, 1e-30f};
    ds_value_range one = {.key = "/b \"Conv\":0", .min = -1.5f, .max = 0.1f, .observed_min = -2, .observed_max = NAN,
                          .mean = 1e-9, .variance = 3, .count = 9007199254740991.0, .axis = 1, .channel_count = 2,
                          .channel_min = low, .channel_max = high},
                   two = {.key = "/a:1", .min = 0, .max = 0, .observed_min = NAN, .observed_max = NAN, .mean = NAN,
                          .variance = NAN, .count = NAN, .constant = true, .axis = -1};
    ds_value_range values[] = {one, two};
    ds_ranges ranges = {.model = "m.onnx", .observer = "minmax", .samples = 3, .values = values, .count = 2}, again;
    ds_string text = {0}, twice = {0};
    ds_ranges_print(&text, &ranges);
    assert_string_equal(ranges.values[0].key, "/a:1");
    assert_int_equal(parse(cx, text.data, &again), DS_BAD_INPUT); /* a channel's ends are the wrong way round */
    assert_non_null(strstr(diag.text.data, "channel_min"));
    ds_string_free(&text);
    ranges.values[1].channel_min = low;
    ranges.values[1].channel_max = (const double[]){0, 2};
    ds_ranges_print(&text, &ranges);
    assert_int_equal(parse(cx, text.data, &again), DS_OK);
    ds_ranges_print(&twice, &again);
    assert_string_equal(text.data, twice.data);
    const ds_value_range *found = ds_ranges_find(&again, one.key);
    assert_non_null(found);
    assert_true((float)found->min == -1.5f && (float)found->max == 0.1f && isnan(found->observed_max));
    assert_true(found->count == one.count && found->axis == 1 && found->channel_count == 2);
    assert_true((float)found->channel_min[1] == 0.1f && !found->constant);
    assert_true(ds_ranges_find(&again, "/a:1")->constant);
    assert_null(ds_ranges_find(&again, "/a:2"));
    ds_string_free(&text), ds_string_free(&twice);
    ds_context_destroy(cx);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "line 1 is no JSON"},
        {"{\n\"format\": \"dsc ranges 1\",\n!", "line 3 is no JSON"},
        {"[]", "no JSON object"},
        {"{}", "'format'"},
        {"{\"format\": 1}", "'format' is no text"},
        {"{\"format\": \"dsc ranges 2\"}", "'format'"},
        {"{\"format\": \"dsc ranges 1\"}", "'values' is no object"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {}} x", "more behind"},
        {"{\"format\": \"dsc ranges 1\", \"valeus\": {}}", "'valeus' is not known"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {}, \"samples\": \"3\"}", "'samples' is no finite number"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": 1}}", "value 'a'"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 1}}}", "value 'a': 'max' is missing"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"max\": 1}}}", "value 'a': 'min' is missing"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 2, \"max\": 1}}}", "'min' is above 'max'"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 2, \"max\": 1e999}}}", "'max'"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"meen\": 1}}}", "'meen'"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"max\": 2}}}", "there twice"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1}, \"a\": {\"min\": 0, \"max\": 1}}}",
         "'a' is there twice"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"axis\": 1}}}", "'axis'"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"axis\": 1.5, \"channel_min\": [0], "
         "\"channel_max\": [1]}}}",
         "'axis' is no number of a dim"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"axis\": 1, \"channel_min\": [0, 0], "
         "\"channel_max\": [1]}}}",
         "not as long"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"axis\": 1, \"channel_min\": [\"x\"], "
         "\"channel_max\": [1]}}}",
         "no list of finite numbers"},
        {"{\"format\": \"dsc ranges 1\", \"values\": {\"a\": {\"min\": 0, \"max\": 1, \"constant\": 1}}}", "'constant'"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        ds_ir_context *cx = ds_context_create(&diag);
        ds_ranges ranges;
        assert_int_equal(parse(cx, cases[i].text, &ranges), DS_BAD_INPUT);
        if (!strstr(diag.text.data, cases[i].says)) fail_msg("%s: %s", cases[i].text, diag.text.data);
        assert_int_equal(ranges.count, 0);
        ds_context_destroy(cx);
    }
}

/* Every beginning of a good file, and every file with one byte changed, is read or refused. */
static void damaged_files_do_no_harm(void **state) {
    (void)state;
    static const char good[] = "{\"format\": \"dsc ranges 1\", \"samples\": 2, \"values\": {\"a:0\": {\"min\": -1, \"max\": "
                               "1.5, \"axis\": 0, \"channel_min\": [-1], \"channel_max\": [1]}}}";
    char text[sizeof good];
    ds_ranges ranges;
    for (size_t i = 0; i < sizeof good - 1; i++) {
        ds_ir_context *cx = ds_context_create(&diag);
        diag.text.length = 0;
        assert_int_equal(ds_ranges_parse(cx, good, i, &ranges), DS_BAD_INPUT);
        for (int change = 1; change < 256; change += 5) {
            memcpy(text, good, sizeof good);
            text[i] = (char)(text[i] ^ change);
            diag.text.length = 0;
            (void)(ds_ranges_parse(cx, text, sizeof good - 1, &ranges) == DS_OK);
        }
        ds_context_destroy(cx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ds_string_free(&diag.text);
    return failed;
}
