/* The route table keeps its own rules, whatever row is added. */
#include "tests/unit/unit.h"

#include "base/arena.h"
#include "server/router.h"

static bool is_change(const struct route *route)
{
    return strcmp(route->method, "POST") == 0 || strcmp(route->method, "DELETE") == 0;
}

static bool is_iceberg(const struct route *route)
{
    return strncmp(route->path, "/v1/", 4) == 0;
}

/* Reports, tokens and signatures change nothing that a repeat could double. */
static bool is_repeatable(const struct route *route)
{
    static const char *const harmless[] = {"reportMetrics", "getToken", "signRequest",
                                           "signRequestByLocation"};
    for (size_t i = 0; i < COUNT_OF(harmless); i++)
        if (strcmp(route->operation, harmless[i]) == 0)
            return false;
    return true;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &routes[i];
        bool is_inline = (route->flags & ROUTE_RUN_INLINE) != 0;
        bool on_worker = (route->flags & ROUTE_RUN_WORKER) != 0;
        assert_non_null(route->handler);
        assert_true(is_inline != on_worker);
        /* a write needs more than a look, and a read takes no body */
        if (!is_change(route))
            assert_int_equal(route->body_bytes_max, BODY_NONE);
        if (is_change(route))
            assert_int_not_equal(route->access, ACCESS_PUBLIC);
        /* every change through Iceberg's API can be repeated */
        bool idempotent = (route->flags & ROUTE_IDEMPOTENT) != 0;
        if (is_iceberg(route))
            assert_int_equal(idempotent, is_change(route) && is_repeatable(route));
        /* a record of a refusal belongs to a warehouse */
        if (idempotent)
            assert_non_null(strstr(route->path, "{prefix}"));
        assert_true((route->flags & ROUTE_ETAG) == 0 || strcmp(route->method, "GET") == 0);
    }
}

static void test_operations_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(routes[i].operation, routes[j].operation);
}

/* The template with every parameter filled in leads to its own row, with and without the prefix. */
static void test_every_row_is_found(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    for (size_t i = 0; i < route_count; i++) {
        char path[256], *out = path;
        for (const char *at = routes[i].path; *at != '\0'; at++) {
            if (*at == '{') {
                at = strchr(at, '}');
                *out++ = 'x';
            } else {
                *out++ = *at;
            }
        }
        *out = '\0';
        struct route_match match;
        struct error err = {0};
        assert_int_equal(
            router_find(str_cstr(routes[i].method), str_cstr(path), arena, &match, &err), 0);
        assert_ptr_equal(match.route, &routes[i]);
        assert_int_equal(route_index(match.route), i);
        if (strncmp(path, "/v1/x/", 6) != 0)
            continue;
        memmove(path + 4, path + 6, strlen(path + 6) + 1);
        assert_int_equal(
            router_find(str_cstr(routes[i].method), str_cstr(path), arena, &match, &err), 0);
        assert_ptr_equal(match.route, &routes[i]);
    }
    arena_free(arena);
}

static bool segment_may_equal(struct str a, struct str b)
{
    return a.ptr[0] == '{' || b.ptr[0] == '{' || str_equal(a, b);
}

static bool paths_overlap(const char *left, const char *right)
{
    struct str a = str_skip(str_cstr(left), 1), b = str_skip(str_cstr(right), 1);
    while (a.len > 0 && b.len > 0) {
        struct str a_segment = str_cut(&a, '/'), b_segment = str_cut(&b, '/');
        if (!segment_may_equal(a_segment, b_segment))
            return false;
    }
    return a.len == 0 && b.len == 0;
}

static void test_no_two_rows_match_one_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(routes[i].method, routes[j].method) == 0)
                if (paths_overlap(routes[i].path, routes[j].path))
                    fail_msg("%s and %s", routes[i].path, routes[j].path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_operations_are_unique),
        cmocka_unit_test(test_every_row_is_found),
        cmocka_unit_test(test_no_two_rows_match_one_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
