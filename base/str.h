/* A view of bytes that someone else owns; not NUL-terminated. Length 0 with ptr NULL is "absent",
 * length 0 with ptr set is "empty". */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).len, (s).ptr == NULL ? "" : (s).ptr /* for "%.*s" */

static inline struct str str_from(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

static inline struct str str_cstr(const char *text)
{
    return (struct str){text, text == NULL ? 0 : strlen(text)};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_equal_cstr(struct str a, const char *b)
{
    return str_equal(a, str_cstr(b));
}

bool str_equal_ignore_case(struct str a, struct str b); /* ASCII only */
int str_compare(struct str a, struct str b);            /* by bytes, as memcmp */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
bool str_contains(struct str s, struct str part);
struct str str_skip(struct str s, size_t bytes); /* the rest after min(bytes, len) */
struct str str_trim(struct str s);               /* ASCII spaces and tabs off both ends */

/* Cuts *rest at the first `separator`: returns the part before it, *rest becomes the part after.
 * Without a separator returns all and *rest becomes STR_NONE. */
struct str str_cut(struct str *rest, char separator);

int str_hex_digit(char c); /* of either case; -1: it is none */

bool str_is_utf8(struct str s); /* well-formed, no surrogates, no overlong forms */

/* Bytes of the well-formed UTF-8 character that s begins with; 0 when there is none. */
size_t str_utf8_char(struct str s);

/* The longest beginning of s of at most bytes_max bytes that does not cut a UTF-8 character. */
struct str str_utf8_cut(struct str s, size_t bytes_max);

/* Decimal, the whole view, optional '-', no '+', no spaces; false when malformed or out of range.
 */
bool str_to_int64(struct str s, long long *out);

#endif
