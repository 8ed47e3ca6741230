/* What the checker and the walkers of JSON text share. Private to base/raw_json.c and
 * base/raw_json_check.c. Threads: no state. */
#ifndef BASE_RAW_JSON_TEXT_H
#define BASE_RAW_JSON_TEXT_H

#include <stdint.h>
#include <string.h>

/* Non-zero bytes of the result mark the bytes of `eight` that are zero. The lowest mark is exact,
 * marks above it need not be. */
static inline uint64_t raw_json_zero_bytes(uint64_t eight)
{
    return (eight - 0x0101010101010101u) & ~eight & 0x8080808080808080u;
}

/* The first '"' or '\\' at or after `at`, else `end`. With `strict` also the first byte that a
 * string must not hold as it is or that needs a look: a control character or a byte of a longer
 * UTF-8 character. */
static inline const char *raw_json_scan_string(const char *at, const char *end, int strict)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - at >= 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof(eight));
        uint64_t found = raw_json_zero_bytes(eight ^ 0x2222222222222222u) |
                         raw_json_zero_bytes(eight ^ 0x5C5C5C5C5C5C5C5Cu);
        if (strict) /* below 0x20, or the highest bit set */
            found |= ((eight - 0x2020202020202020u) | eight) & 0x8080808080808080u;
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
        at += 8;
    }
#endif
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || (strict && (c < 0x20 || c >= 0x80)))
            return at;
    }
    return end;
}

/* Whether nothing but space, tab, newline and carriage return. */
static inline int raw_json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Decodes the escape at *at (a backslash inside [*at, end)) into at most 4 bytes of UTF-8, advances
 * *at behind it (behind both halves of a surrogate pair) and returns the number of bytes; 0 when it
 * is no escape that JSON knows, or a lone surrogate. *at is advanced all the same. */
size_t raw_json_unescape(const char **at, const char *end, char out[4]);

#endif
