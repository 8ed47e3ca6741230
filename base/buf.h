/* A growable run of bytes with a ceiling. Appending past the ceiling sets `overflowed` and drops
 * the bytes, and all that come after until buf_clear: append many times, check once. Out of memory
 * is fatal.
 *
 * Threads: one buf belongs to one thread at a time. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"
#include <stdint.h>

struct buf {
    char *ptr; /* malloc'ed, not NUL-terminated; NULL while empty */
    size_t len;
    size_t capacity;
    size_t bytes_max;
    bool overflowed;
};

#define BUF_INIT(max) ((struct buf){NULL, 0, 0, (max), false})

void buf_reserve(struct buf *buf, size_t more_bytes); /* room for that many, up to the ceiling */
void buf_add(struct buf *buf, struct str s);
void buf_add_cstr(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_add_int64(struct buf *buf, int64_t value);
void buf_add_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_clear(struct buf *buf); /* empty, keeps the memory */
void buf_free(struct buf *buf);  /* back to BUF_INIT(bytes_max) */
char *buf_take(struct buf *buf); /* hands the memory to the caller (free it; NULL if empty) */

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

#endif
