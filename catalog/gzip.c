/* Gzip over zlib. A file of several members is read to the end of the first, as all writers of
 * metadata write one. */
#include "catalog/gzip.h"

#include "base/log.h"
#include <assert.h>
#include <limits.h>
#include <zlib.h>

#define WINDOW (15 + 16) /* 16: with gzip's head */
#define LEVEL 1
#define MEMORY 8
#define RATIO_MAX 200
#define INFLATED_SMALL ((size_t)1 << 20) /* below it the ratio does not matter */

bool gzip_deflate(struct str plain, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)plain.ptr, .avail_in = (uInt)plain.len};
    assert(plain.len <= UINT_MAX);
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        log_fatal("out of memory: zlib");
    size_t bound = deflateBound(&z, plain.len);
    buf_reserve(out, bound);
    size_t room = out->capacity - out->len;
    z.next_out = (Bytef *)out->ptr + out->len;
    z.avail_out = (uInt)(room > UINT_MAX ? UINT_MAX : room);
    int rc = deflate(&z, Z_FINISH);
    out->len += z.total_out;
    deflateEnd(&z);
    return rc == Z_STREAM_END;
}

bool gzip_inflate(struct str packed, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)packed.ptr, .avail_in = (uInt)packed.len};
    char chunk[65536];
    size_t total = 0;
    int rc;
    assert(packed.len <= UINT_MAX);
    if (inflateInit2(&z, WINDOW) != Z_OK)
        log_fatal("out of memory: zlib");
    do {
        z.next_out = (Bytef *)chunk;
        z.avail_out = sizeof(chunk);
        rc = inflate(&z, Z_NO_FLUSH);
        size_t got = sizeof(chunk) - z.avail_out;
        buf_add(out, str_from(chunk, got));
        total += got;
        if (total > INFLATED_SMALL && total / RATIO_MAX > packed.len)
            rc = Z_DATA_ERROR;
    } while (rc == Z_OK && !out->overflowed);
    inflateEnd(&z);
    return rc == Z_STREAM_END && !out->overflowed;
}
