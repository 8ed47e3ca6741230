/* Routing: split the raw path at '/', compare with the templates segment by segment, decode last.
 * A row matches when the count of segments and every literal agree; the first match wins, and no
 * two rows of one method match the same path (a test proves it). */
#include "server/router.h"

#include "base/buf.h"
#include <assert.h>
#include <pthread.h>

#define SEGMENTS_MAX 12

struct segments {
    struct str items[SEGMENTS_MAX + 1]; /* one spare for the prefix that was left out */
    size_t count;
};

struct route_pattern {
    struct segments segments;              /* literals; STR_NONE where a parameter stands */
    enum route_param params[SEGMENTS_MAX]; /* PARAM_COUNT where a literal stands */
};

static struct route_pattern patterns[ROUTES_MAX];
static pthread_once_t patterns_once = PTHREAD_ONCE_INIT;

static const struct {
    const char *name;
    enum route_param param;
} param_names[] = {
    {"{prefix}", PARAM_PREFIX},       {"{namespace}", PARAM_NAMESPACE},
    {"{table}", PARAM_TABLE},         {"{view}", PARAM_VIEW},
    {"{function}", PARAM_FUNCTION},   {"{warehouse}", PARAM_WAREHOUSE},
    {"{principal}", PARAM_PRINCIPAL},
};

static enum route_param param_of(struct str segment)
{
    for (size_t i = 0; i < sizeof(param_names) / sizeof(param_names[0]); i++)
        if (str_equal_cstr(segment, param_names[i].name))
            return param_names[i].param;
    assert(segment.ptr[0] != '{'); /* a template names a parameter that is not in the table */
    return PARAM_COUNT;
}

/* Splits what follows the first '/'; one trailing '/' counts as absent. False when a segment is
 * empty or there are too many. */
static bool split(struct str path, struct segments *out)
{
    assert(path.len > 0 && path.ptr[0] == '/');
    struct str rest = str_skip(path, 1);
    out->count = 0;
    while (rest.len > 0) {
        struct str segment = str_cut(&rest, '/');
        if (segment.len == 0 || out->count == SEGMENTS_MAX)
            return false;
        out->items[out->count++] = segment;
    }
    return true;
}

static void compile(void)
{
    for (size_t i = 0; i < route_count; i++) {
        struct route_pattern *pattern = &patterns[i];
        bool sound = split(str_cstr(routes[i].path), &pattern->segments);
        assert(sound);
        (void)sound;
        for (size_t s = 0; s < pattern->segments.count; s++) {
            pattern->params[s] = param_of(pattern->segments.items[s]);
            if (pattern->params[s] != PARAM_COUNT)
                pattern->segments.items[s] = STR_NONE;
        }
    }
}

/* Words after /v1/ that are never a prefix. Behind the first four lies a path of the default
 * warehouse with its prefix left out. */
static const char *const words_without_prefix[] = {"namespaces", "tables", "views", "transactions"};
static const char *const words_of_their_own[] = {"config", "oauth", "aws", "management"};

static bool is_one_of(struct str segment, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_cstr(segment, words[i]))
            return true;
    return false;
}

static void insert_default_prefix(struct segments *path)
{
    if (path->count < 2 || !str_equal(path->items[0], STR("v1")) ||
        !is_one_of(path->items[1], words_without_prefix, 4))
        return;
    for (size_t i = path->count; i > 1; i--)
        path->items[i] = path->items[i - 1];
    path->items[1] = STR("");
    path->count++;
}

static bool pattern_matches(const struct route_pattern *pattern, const struct segments *path)
{
    if (pattern->segments.count != path->count)
        return false;
    for (size_t i = 0; i < path->count; i++) {
        if (pattern->params[i] == PARAM_COUNT) {
            if (!str_equal(pattern->segments.items[i], path->items[i]))
                return false;
        } else if (pattern->params[i] == PARAM_PREFIX &&
                   is_one_of(path->items[i], words_of_their_own, 4)) {
            return false;
        }
    }
    return true;
}

/* "GET, HEAD", or NULL when no row has that path. */
static const char *methods_of(const struct segments *path, struct arena *arena)
{
    struct buf methods = BUF_INIT(256);
    for (size_t r = 0; r < route_count; r++) {
        if (!pattern_matches(&patterns[r], path))
            continue;
        buf_add_cstr(&methods, methods.len == 0 ? "" : ", ");
        buf_add_cstr(&methods, routes[r].method);
    }
    const char *text = methods.len == 0 ? NULL : arena_cstr(arena, buf_str(&methods));
    buf_free(&methods);
    return text;
}

static int no_route(struct str path, const char *allow, struct error *err)
{
    if (allow != NULL)
        return error_set(err, ERR_METHOD_NOT_ALLOWED, "Method not allowed for %.*s: use %s",
                         STR_ARG(path), allow);
    /* A 404 below /v1/ would be read as "no such table" (rest.md 1.1). */
    if (str_equal(path, STR("/v1")) || str_starts_with(path, STR("/v1/")))
        return error_set(err, ERR_BAD_REQUEST, "No route for request: %.*s", STR_ARG(path));
    return error_set(err, ERR_NO_SUCH_ROUTE, "Not found: %.*s", STR_ARG(path));
}

int router_find(struct str method, struct str target, struct arena *arena, struct route_match *out,
                struct error *err)
{
    pthread_once(&patterns_once, compile);
    *out = (struct route_match){0};
    if (target.len == 0 || target.ptr[0] != '/')
        return error_set(err, ERR_BAD_REQUEST, "The request target must begin with '/'");
    out->query = target;
    struct str path = str_cut(&out->query, '?');
    if (!str_is_utf8(path)) /* it comes back in messages */
        return error_set(err, ERR_BAD_REQUEST, "The request path is not UTF-8");

    struct segments segments;
    if (!split(path, &segments))
        return error_set(err, ERR_BAD_REQUEST, "Empty path segment or too many of them: %.*s",
                         STR_ARG(path));
    insert_default_prefix(&segments);

    for (size_t r = 0; r < route_count; r++) {
        if (!pattern_matches(&patterns[r], &segments) || !str_equal_cstr(method, routes[r].method))
            continue; /* in this order: most rows differ in their count of segments */
        for (size_t i = 0; i < segments.count; i++)
            if (patterns[r].params[i] != PARAM_COUNT)
                out->params[patterns[r].params[i]] = segments.items[i];
        out->route = &routes[r];
        return 0;
    }
    out->allow = methods_of(&segments, arena);
    return no_route(path, out->allow, err);
}

int url_decode(struct str raw, struct arena *arena, struct str *out, struct error *err)
{
    char *text = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    if (!str_is_utf8(raw)) /* it comes back in messages */
        return error_set(err, ERR_BAD_REQUEST, "The request target is not UTF-8");
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return error_set(err, ERR_BAD_REQUEST, "Control byte in the request target");
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < raw.len ? str_hex_digit(raw.ptr[i + 1]) : -1;
            int low = i + 2 < raw.len ? str_hex_digit(raw.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return error_set(err, ERR_BAD_REQUEST, "Malformed percent-encoding: %.*s",
                                 STR_ARG(raw));
            c = (unsigned char)(high << 4 | low);
            i += 2;
            if (c == 0)
                return error_set(err, ERR_ILLEGAL_ARGUMENT, "A name cannot contain NUL: %.*s",
                                 STR_ARG(raw));
        }
        text[len++] = (char)c;
    }
    *out = str_from(text, len);
    if (!str_is_utf8(*out))
        return error_set(err, ERR_BAD_REQUEST, "Percent-encoded text is not UTF-8");
    return 0;
}

/* Bytes of the separator that the text begins with: as it is, if it may stand in a path, or
 * percent-encoded; 0 when there is none. */
static size_t separator_len(struct str raw, char separator)
{
    if (raw.len > 0 && raw.ptr[0] == separator && separator != NAMESPACE_SEPARATOR)
        return 1;
    if (raw.len < 3 || raw.ptr[0] != '%')
        return 0;
    int high = str_hex_digit(raw.ptr[1]), low = str_hex_digit(raw.ptr[2]);
    return high >= 0 && low >= 0 && (high << 4 | low) == separator ? 3 : 0;
}

/* Where the next separator begins, or raw.len. */
static size_t separator_at(struct str raw, char separator)
{
    for (size_t i = 0; i < raw.len; i++)
        if (separator_len(str_skip(raw, i), separator) > 0)
            return i;
    return raw.len;
}

int url_decode_namespace(struct str raw, char announced, struct arena *arena,
                         struct namespace_ident *out, struct error *err)
{
    char separator = NAMESPACE_SEPARATOR;
    if (announced != '\0' && separator_at(raw, separator) == raw.len)
        separator = announced;
    out->level_count = 1;
    for (size_t i = 0; i < raw.len; i++)
        out->level_count += separator_len(str_skip(raw, i), separator) > 0;

    out->levels = ARENA_ARRAY(arena, struct str, out->level_count);
    for (size_t i = 0; i < out->level_count; i++) {
        size_t end = separator_at(raw, separator);
        if (url_decode(str_from(raw.ptr, end), arena, &out->levels[i], err) != 0)
            return -1;
        raw = str_skip(raw, end);
        raw = str_skip(raw, separator_len(raw, separator));
    }
    return 0;
}

bool url_query_raw(struct str query, const char *name, struct str *raw)
{
    while (query.len > 0) {
        struct str value = str_cut(&query, '&');
        struct str key = str_cut(&value, '=');
        if (str_equal_cstr(key, name)) {
            *raw = value.ptr == NULL ? STR("") : value;
            return true;
        }
    }
    return false;
}

size_t route_index(const struct route *route)
{
    assert(route >= routes && route < routes + route_count);
    return (size_t)(route - routes);
}
