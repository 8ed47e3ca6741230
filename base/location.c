/* Locations: one parser, one canonical form, one containment test.
 *
 * What is odd is refused, never repaired; nothing is ever decoded. Repaired are only the three
 * spellings of a local path, the case of the scheme, the aliases of s3, and one trailing slash. */
#include "base/location.h"

#include <assert.h>

#define SEGMENT_BYTES_MAX 200
#define SHOWN_BYTES_MAX 300 /* of a location, in a message */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int refuse(struct error *err, struct str text, const char *why)
{
    struct str shown = str_utf8_cut(text, SHOWN_BYTES_MAX);
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Location %s: %.*s", why, STR_ARG(shown));
}

/* '%' and the hex digits of '.', '/', '\\' or NUL: somebody hopes that somebody decodes it. */
static bool is_hidden_separator(struct str text)
{
    static const char *const hidden[] = {"%2e", "%2f", "%5c", "%00"};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (text.len >= 3 && str_equal_ignore_case(str_from(text.ptr, 3), str_cstr(hidden[i])))
            return true;
    return false;
}

/* The reason to refuse the text for the bytes it holds, or NULL. The text is UTF-8. */
static const char *bad_bytes(struct str text, bool of_file)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool c1 = c == 0xC2 && (unsigned char)text.ptr[i + 1] < 0xA0;
        if (c < 0x20 || c == 0x7F || c1)
            return "holds a control character";
        if (c == '?' || c == '#' || c == '\\')
            return "holds one of '?', '#' and '\\'";
        if (c == '%' && !of_file && is_hidden_separator(str_skip(text, i)))
            return "holds an encoded dot, slash, backslash or NUL";
    }
    return NULL;
}

/* The reason to refuse a path, or NULL. It is empty or begins with '/'; one '/' at the end is let
 * pass. */
static const char *bad_path(struct str path)
{
    struct str rest = str_skip(path, 1);
    while (rest.len > 0) {
        struct str segment = str_cut(&rest, '/');
        if (segment.len == 0)
            return "holds an empty segment";
        if (str_equal(segment, STR(".")) || str_equal(segment, STR("..")))
            return "holds a '.' or '..' segment";
    }
    return NULL;
}

/* The reason to refuse the path of a file for what a careless reader would make of it, who decodes
 * it once more. */
static const char *bad_when_decoded(struct str path)
{
    char bytes[LOCATION_BYTES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        int high = path.ptr[i] == '%' && i + 2 < path.len ? str_hex_digit(path.ptr[i + 1]) : -1;
        int low = high >= 0 ? str_hex_digit(path.ptr[i + 2]) : -1;
        bytes[len++] = low >= 0 ? (char)(high << 4 | low) : path.ptr[i];
        i += low >= 0 ? 2 : 0;
        if (bytes[len - 1] == '\0')
            return "holds an encoded NUL";
        if (bytes[len - 1] == '\\')
            bytes[len - 1] = '/';
    }
    for (struct str rest = str_from(bytes, len); rest.len > 0;) {
        struct str segment = str_cut(&rest, '/');
        if (str_equal(segment, STR(".")) || str_equal(segment, STR("..")))
            return "holds an encoded '.' or '..' segment";
    }
    return NULL;
}

static const char *bad_authority(struct str authority)
{
    if (authority.len == 0)
        return "has no authority";
    if (str_contains(authority, STR("@")))
        return "holds user information";
    if (str_equal(authority, STR(".")) || str_equal(authority, STR("..")))
        return "has a bad authority";
    for (size_t i = 0; i < authority.len; i++) {
        char c = authority.ptr[i];
        if (!is_letter(c) && !is_digit(c) && (c == '\0' || strchr(".-_:", c) == NULL))
            return "has a bad authority";
    }
    return NULL;
}

/* The length of the scheme that the text begins with, 0 when there is none. */
static size_t scheme_bytes(struct str text)
{
    size_t len = 0;
    while (len < text.len && (is_letter(text.ptr[len]) ||
                              (len > 0 && (is_digit(text.ptr[len]) || text.ptr[len] == '+' ||
                                           text.ptr[len] == '-' || text.ptr[len] == '.'))))
        len++;
    return len < text.len && text.ptr[len] == ':' ? len : 0;
}

/* Splits the text as it was given; the scheme's case, aliases and a trailing slash are untouched.
 */
static const char *split(struct str text, struct location *raw)
{
    *raw = (struct location){text, STR("file"), STR(""), text};
    if (text.len > 0 && text.ptr[0] == '/')
        return NULL;
    size_t scheme_len = scheme_bytes(text);
    struct str rest = str_skip(text, scheme_len + 1);
    if (scheme_len == 0)
        return "is neither an absolute path nor scheme://authority/path";
    raw->scheme = str_from(text.ptr, scheme_len);
    bool has_authority = str_starts_with(rest, STR("//"));
    raw->path = rest;
    if (has_authority) {
        rest = str_skip(rest, 2);
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != '/')
            len++;
        raw->authority = str_from(rest.ptr, len);
        raw->path = str_skip(rest, len);
    }
    if (str_equal_ignore_case(raw->scheme, STR("file"))) {
        if (raw->authority.len > 0)
            return "is a file on a named host";
        return raw->path.len > 0 && raw->path.ptr[0] == '/' ? NULL : "has no absolute path";
    }
    return has_authority ? bad_authority(raw->authority) : "has no authority";
}

static struct str canonical_scheme(struct arena *arena, struct str scheme)
{
    char *text = arena_alloc(arena, scheme.len + 1);
    for (size_t i = 0; i < scheme.len; i++)
        text[i] = (char)(scheme.ptr[i] | (is_letter(scheme.ptr[i]) ? 0x20 : 0));
    struct str lower = str_from(text, scheme.len);
    return str_equal(lower, STR("s3a")) || str_equal(lower, STR("s3n")) ? STR("s3") : lower;
}

static int parse(struct str text, bool of_file, struct arena *arena, struct location *out,
                 struct error *err)
{
    struct location raw;
    if (!str_is_utf8(text))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Location is not UTF-8");
    if (text.len > LOCATION_BYTES_MAX)
        return refuse(err, text, "is too long");
    const char *why = bad_bytes(text, of_file);
    if (why == NULL)
        why = split(text, &raw);
    if (why == NULL)
        why = bad_path(raw.path);
    if (why == NULL && of_file)
        why = bad_when_decoded(raw.path);
    if (why != NULL)
        return refuse(err, text, why);

    struct str scheme = canonical_scheme(arena, raw.scheme);
    size_t root_bytes = str_equal(scheme, STR("file")) ? 1 : 0;
    struct str path = raw.path;
    if (path.len > root_bytes && path.ptr[path.len - 1] == '/')
        path.len--;

    struct str whole = arena_printf(arena, "%.*s://%.*s%.*s", STR_ARG(scheme),
                                    STR_ARG(raw.authority), STR_ARG(path));
    if (whole.len > LOCATION_BYTES_MAX)
        return refuse(err, text, "is too long");
    out->text = whole;
    out->scheme = str_from(whole.ptr, scheme.len);
    out->authority = str_from(whole.ptr + scheme.len + strlen("://"), raw.authority.len);
    out->path = str_skip(whole, whole.len - path.len);
    return 0;
}

int location_parse(struct str text, struct arena *arena, struct location *out, struct error *err)
{
    return parse(text, false, arena, out, err);
}

int location_parse_file(struct str text, struct arena *arena, struct location *out,
                        struct error *err)
{
    return parse(text, true, arena, out, err);
}

bool location_contains(const struct location *parent, const struct location *child)
{
    if (!str_equal(parent->scheme, child->scheme) ||
        !str_equal(parent->authority, child->authority))
        return false;
    if (parent->path.len <= 1) /* the root */
        return true;
    if (!str_starts_with(child->path, parent->path))
        return false;
    return child->path.len == parent->path.len || child->path.ptr[parent->path.len] == '/';
}

struct str location_join(struct arena *arena, struct str parent, struct str relative)
{
    const char *slash = str_ends_with(parent, STR("/")) ? "" : "/";
    return arena_printf(arena, "%.*s%s%.*s", STR_ARG(parent), slash, STR_ARG(relative));
}

struct str location_segment(struct arena *arena, struct str name)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = arena_alloc(arena, SEGMENT_BYTES_MAX);
    size_t len = 0;
    if (name.len == 0)
        return STR("~"); /* no other name is spelt so */
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = is_letter(c) || is_digit(c) || c == '_' || c == '-' || (c == '.' && i > 0);
        if (len + (plain ? 1 : 3) > SEGMENT_BYTES_MAX)
            break;
        if (plain) {
            text[len++] = c;
        } else {
            text[len++] = '~';
            text[len++] = digits[(unsigned char)c >> 4];
            text[len++] = digits[(unsigned char)c & 0x0F];
        }
    }
    return str_from(text, len);
}
