/* A growable run of bytes. Once overflowed it takes nothing more: what it holds is a true beginning
 * of what was appended. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define CAPACITY_MIN 256

static void grow(struct buf *buf, size_t needed)
{
    size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (capacity > buf->bytes_max)
        capacity = buf->bytes_max;
    assert(capacity >= needed);
    char *ptr = realloc(buf->ptr, capacity);
    if (ptr == NULL)
        log_fatal("out of memory: %zu bytes", capacity);
    buf->ptr = ptr;
    buf->capacity = capacity;
}

/* Whether that many bytes may be appended; there is room for them then. */
static bool make_room(struct buf *buf, size_t bytes)
{
    if (buf->overflowed || bytes > buf->bytes_max - buf->len) {
        buf->overflowed = true;
        return false;
    }
    if (bytes > buf->capacity - buf->len)
        grow(buf, buf->len + bytes);
    return true;
}

void buf_reserve(struct buf *buf, size_t more_bytes)
{
    size_t allowed = buf->bytes_max - buf->len;
    if (more_bytes > allowed)
        more_bytes = allowed;
    if (more_bytes > buf->capacity - buf->len)
        grow(buf, buf->len + more_bytes);
}

void buf_add(struct buf *buf, struct str s)
{
    if (s.len == 0 || !make_room(buf, s.len))
        return;
    memcpy(buf->ptr + buf->len, s.ptr, s.len);
    buf->len += s.len;
}

void buf_add_cstr(struct buf *buf, const char *text)
{
    buf_add(buf, str_cstr(text));
}

void buf_add_char(struct buf *buf, char c)
{
    if (make_room(buf, 1))
        buf->ptr[buf->len++] = c;
}

void buf_add_int64(struct buf *buf, int64_t value)
{
    char text[24];
    char *end = text + sizeof(text), *at = end;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    buf_add(buf, str_from(at, (size_t)(end - at)));
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
    char text[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    assert(len >= 0);
    if ((size_t)len < sizeof(text)) {
        buf_add(buf, str_from(text, (size_t)len));
    } else {
        char *large = malloc((size_t)len + 1);
        if (large == NULL)
            log_fatal("out of memory: %d bytes", len);
        vsnprintf(large, (size_t)len + 1, format, again);
        buf_add(buf, str_from(large, (size_t)len));
        free(large);
    }
    va_end(again);
    va_end(args);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->overflowed = false;
}

void buf_free(struct buf *buf)
{
    free(buf->ptr);
    *buf = BUF_INIT(buf->bytes_max);
}

char *buf_take(struct buf *buf)
{
    char *ptr = buf->ptr;
    *buf = BUF_INIT(buf->bytes_max);
    return ptr;
}
