/* Views of bytes: comparing, cutting, UTF-8. Never reads outside the view, never allocates. */
#include "base/str.h"

#include <limits.h>
#include <stdint.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_equal_ignore_case(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_compare(struct str a, struct str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.ptr, b.ptr, shared);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal(str_from(s.ptr, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_equal(str_skip(s, s.len - suffix.len), suffix);
}

bool str_contains(struct str s, struct str part)
{
    if (part.len == 0)
        return true;
    return s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL;
}

struct str str_skip(struct str s, size_t bytes)
{
    if (s.ptr == NULL)
        return STR_NONE;
    if (bytes > s.len)
        bytes = s.len;
    return str_from(s.ptr + bytes, s.len - bytes);
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = str_skip(s, 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

struct str str_cut(struct str *rest, char separator)
{
    struct str all = *rest;
    const char *found = all.len == 0 ? NULL : memchr(all.ptr, separator, all.len);
    if (found == NULL) {
        *rest = STR_NONE;
        return all;
    }
    size_t before = (size_t)(found - all.ptr);
    *rest = str_skip(all, before + 1);
    return str_from(all.ptr, before);
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* How long a character with this first byte is; 0 when none begins so. */
static size_t utf8_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Overlong forms, surrogates and code points above U+10FFFF show in the second byte. */
static bool is_second_byte(unsigned char lead, unsigned char second)
{
    unsigned char lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return second >= lowest && second <= highest;
}

size_t str_utf8_char(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (s.len == 0)
        return 0;
    size_t bytes = utf8_length(p[0]);
    if (bytes > s.len || (bytes > 1 && !is_second_byte(p[0], p[1])))
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if (!is_continuation(p[i]))
            return 0;
    return bytes;
}

int str_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool str_is_utf8(struct str s)
{
    while (s.len > 0) {
        uint64_t eight;
        if (s.len >= sizeof(eight)) {
            memcpy(&eight, s.ptr, sizeof(eight));
            if ((eight & 0x8080808080808080u) == 0) {
                s = str_skip(s, sizeof(eight));
                continue;
            }
        }
        size_t bytes = str_utf8_char(s);
        if (bytes == 0)
            return false;
        s = str_skip(s, bytes);
    }
    return true;
}

struct str str_utf8_cut(struct str s, size_t bytes_max)
{
    if (s.len <= bytes_max)
        return s;
    size_t start = bytes_max; /* of the character that the cut would go through */
    while (start > 0 && bytes_max - start < 3 && is_continuation((unsigned char)s.ptr[start]))
        start--;
    size_t bytes = str_utf8_char(str_skip(s, start));
    return str_from(s.ptr, start + bytes > bytes_max && bytes > 0 ? start : bytes_max);
}

bool str_to_int64(struct str s, long long *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    struct str digits = negative ? str_skip(s, 1) : s;
    long long value = 0; /* kept negative: its range is the larger one */
    if (digits.len == 0)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned)(unsigned char)digits.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, (long long)digit, &value))
            return false;
    }
    if (!negative && value == LLONG_MIN)
        return false;
    *out = negative ? value : -value;
    return true;
}
