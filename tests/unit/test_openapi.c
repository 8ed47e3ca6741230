/* The route table and the description that is served say the same: every row is described, and
 * everything that is described has a row, by method, path and operationId. */
#include "tests/unit/unit.h"

#include <jansson.h>
#include <strings.h>

#include "server/handlers.h"
#include "server/response.h"

static json_t *description;

static int load_description(void **state)
{
    (void)state;
    struct response res = {0};
    struct error err;
    assert_int_equal(handle_openapi_json(NULL, &res, &err), HANDLER_DONE);
    json_error_t trouble;
    struct str text = res.reply.body;
    description = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &trouble);
    if (description == NULL)
        fail_msg("%s at %d", trouble.text, trouble.position);
    return 0;
}

static int drop_description(void **state)
{
    (void)state;
    json_decref(description);
    return 0;
}

static const json_t *described(const struct route *route)
{
    char method[16];
    size_t i = 0;
    for (; route->method[i] != '\0'; i++)
        method[i] = (char)(route->method[i] | 0x20);
    method[i] = '\0';
    return json_object_get(json_object_get(json_object_get(description, "paths"), route->path),
                           method);
}

static void test_every_row_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const json_t *operation = described(&routes[i]);
        if (operation == NULL)
            fail_msg("openapi/firn.yaml lacks %s %s", routes[i].method, routes[i].path);
        assert_string_equal(json_string_value(json_object_get(operation, "operationId")),
                            routes[i].operation);
    }
}

static bool has_row(const char *path, const char *method)
{
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(routes[i].path, path) == 0 && strcasecmp(routes[i].method, method) == 0)
            return true;
    return false;
}

static bool is_verb(const char *word)
{
    return strcmp(word, "parameters") != 0 && strcmp(word, "summary") != 0 &&
           strcmp(word, "description") != 0;
}

static void test_everything_described_has_a_row(void **state)
{
    (void)state;
    const char *path, *word;
    json_t *item, *value;
    size_t count = 0;
    json_object_foreach(json_object_get(description, "paths"), path, item)
    {
        json_object_foreach(item, word, value)
        {
            if (!is_verb(word))
                continue;
            count++;
            if (!has_row(path, word))
                fail_msg("openapi/firn.yaml has %s %s, which is not served", word, path);
        }
    }
    assert_int_equal(count, route_count);
}

static bool takes(const json_t *operation, const char *parameter)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(operation, "parameters"), i, item)
    {
        const char *ref = json_string_value(json_object_get(item, "$ref"));
        if (ref != NULL && strcmp(strrchr(ref, '/') + 1, parameter) == 0)
            return true;
    }
    return false;
}

/* What a row's flags promise is in the description, and nothing more. */
static void test_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const json_t *operation = described(&routes[i]);
        const json_t *responses = json_object_get(operation, "responses");
        bool idempotent = (routes[i].flags & ROUTE_IDEMPOTENT) != 0;
        bool tagged = (routes[i].flags & ROUTE_ETAG) != 0;
        assert_int_equal(takes(operation, "IdempotencyKey"), idempotent);
        assert_int_equal(json_object_get(responses, "422") != NULL, idempotent);
        assert_int_equal(takes(operation, "IfNoneMatch"), tagged);
        assert_int_equal(json_object_get(responses, "304") != NULL, tagged);
        if (routes[i].body_bytes_max == BODY_NONE)
            assert_null(json_object_get(operation, "requestBody"));
        else
            assert_non_null(json_object_get(operation, "requestBody"));
    }
}

static void test_yaml_is_served(void **state)
{
    (void)state;
    struct response res = {0};
    struct error err;
    assert_int_equal(handle_openapi_yaml(NULL, &res, &err), HANDLER_DONE);
    assert_true(str_contains(res.reply.body, STR("\nopenapi: 3.1.0\n")));
    assert_string_equal(res.reply.headers[0].value, "application/yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_described),
        cmocka_unit_test(test_everything_described_has_a_row),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_yaml_is_served),
    };
    return cmocka_run_group_tests(tests, load_description, drop_description);
}
