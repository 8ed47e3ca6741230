/* Routing and the decoding of what a URL carries. Input: a verb, a line end, a raw request target;
 * without a line end, the target of a GET.
 *
 * 1. A match has every parameter of its template, each a segment of the target.
 * 2. What is decoded is UTF-8 without NUL and not longer; spelled plainly again it decodes to the
 *    same. */
#include "tests/fuzz/fuzz.h"

#include "server/router.h"

static bool is_inside(struct str part, struct str whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static struct str encode(struct str text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len * 3 + 1);
    for (size_t i = 0; i < text.len; i++)
        snprintf(out + 3 * i, 4, "%%%02X", (unsigned char)text.ptr[i]);
    return str_from(out, text.len * 3);
}

static void check_decoded(struct str decoded, struct str raw, struct arena *arena)
{
    struct str again;
    struct error err = {0};
    CHECK(decoded.len <= raw.len && str_is_utf8(decoded));
    CHECK(decoded.len == 0 || memchr(decoded.ptr, '\0', decoded.len) == NULL);
    CHECK(url_decode(encode(decoded, arena), arena, &again, &err) == 0);
    CHECK(str_equal(again, decoded));
}

static void decode(struct str raw, struct arena *arena)
{
    struct str decoded;
    struct error err = {0};
    if (url_decode(raw, arena, &decoded, &err) == 0)
        check_decoded(decoded, raw, arena);
    else
        fuzz_check_error(&err);
}

static void decode_namespace(struct str raw, struct arena *arena)
{
    struct namespace_ident ns;
    struct error err = {0};
    if (url_decode_namespace(raw, '\0', arena, &ns, &err) != 0) {
        fuzz_check_error(&err);
        return;
    }
    CHECK(ns.level_count > 0);
    for (size_t i = 0; i < ns.level_count; i++)
        check_decoded(ns.levels[i], raw, arena);
}

static void read_query(struct str query, struct arena *arena)
{
    static const char *const names[] = {"parent", "pageToken", "pageSize", "warehouse", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str raw;
        if (!url_query_raw(query, names[i], &raw))
            continue;
        CHECK(raw.len == 0 || is_inside(raw, query));
        decode(raw, arena);
    }
}

static void read_match(const struct route_match *match, struct str target, struct arena *arena)
{
    CHECK(route_index(match->route) < route_count);
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        struct str raw = match->params[i];
        if (raw.ptr == NULL)
            continue;
        /* a prefix that was left out is empty and lies elsewhere */
        CHECK(raw.len == 0 ? i == PARAM_PREFIX : is_inside(raw, target));
        CHECK(raw.len == 0 || memchr(raw.ptr, '/', raw.len) == NULL);
        if (i == PARAM_NAMESPACE)
            decode_namespace(raw, arena);
        else
            decode(raw, arena);
    }
    if (match->query.ptr != NULL)
        read_query(match->query, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = fuzz_copy(data, size), target = input, method = STR("GET");
    struct arena *arena = arena_new();
    struct route_match match;
    struct error err = {0};
    if (size > 0 && memchr(input.ptr, '\n', input.len) != NULL)
        method = str_cut(&target, '\n');
    if (router_find(method, target, arena, &match, &err) == 0) {
        CHECK(str_equal_cstr(method, match.route->method));
        read_match(&match, target, arena);
    } else {
        fuzz_check_error(&err);
        CHECK((err.kind == ERR_METHOD_NOT_ALLOWED) == (match.allow != NULL));
    }
    decode(input, arena);
    decode_namespace(input, arena);
    read_query(input, arena);
    arena_free(arena);
    free((char *)input.ptr);
    return 0;
}
