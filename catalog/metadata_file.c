/* Reads and writes metadata files. Gzip is told by the file's name, never by its content; what is
 * inflated is bounded by size and by ratio. */
#include "catalog/metadata_file.h"

#include "base/limits.h"
#include "iceberg/table_metadata.h"

#include <zlib.h>

#define GZIP_WINDOW (15 + 16)
#define GZIP_RATIO_MAX 200
#define GZIP_INFLATED_SMALL (1u << 20) /* below it the ratio does not matter */

static int inflate_all(struct str packed, struct str location, struct buf *out, struct error *err)
{
    z_stream z = {.next_in = (Bytef *)packed.ptr, .avail_in = (uInt)packed.len};
    char chunk[65536];
    size_t total = 0;
    int rc;

    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) {
        return error_set(err, ERR_INTERNAL, "Cannot inflate %.*s", STR_ARG(location));
    }
    do {
        z.next_out = (Bytef *)chunk;
        z.avail_out = sizeof chunk;
        rc = inflate(&z, Z_NO_FLUSH);
        size_t got = sizeof chunk - z.avail_out;
        buf_add(out, str_from(chunk, got));
        total += got;
        if (total > GZIP_INFLATED_SMALL && total / GZIP_RATIO_MAX > packed.len) {
            rc = Z_DATA_ERROR;
        }
    } while (rc == Z_OK && !out->overflowed);
    inflateEnd(&z);
    if (rc != Z_STREAM_END || out->overflowed) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a readable gzip file: %.*s",
                         STR_ARG(location));
    }
    return 0;
}

int metadata_file_read(struct file_io *io, struct str location, struct buf *out, struct error *err)
{
    if (!metadata_location_is_gzip(location)) {
        return file_io_read(io, location, METADATA_FILE_BYTES_MAX, out, err);
    }
    struct buf packed = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int rc = file_io_read(io, location, METADATA_FILE_BYTES_MAX, &packed, err);
    if (rc == 0) {
        rc = inflate_all(buf_str(&packed), location, out, err);
    }
    buf_free(&packed);
    return rc;
}

static int deflate_all(struct str plain, struct buf *out, struct error *err)
{
    z_stream z = {.next_in = (Bytef *)plain.ptr, .avail_in = (uInt)plain.len};

    if (deflateInit2(&z, 1, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return error_set(err, ERR_INTERNAL, "Cannot compress metadata");
    }
    buf_reserve(out, deflateBound(&z, plain.len));
    z.next_out = (Bytef *)out->ptr;
    z.avail_out = (uInt)out->capacity;
    int rc = deflate(&z, Z_FINISH);
    out->len = z.total_out;
    deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : error_set(err, ERR_INTERNAL, "Cannot compress metadata");
}

int metadata_file_write(struct file_io *io, struct str location, struct str document,
                        struct error *err)
{
    if (!metadata_location_is_gzip(location)) {
        return file_io_write_new(io, location, document, err);
    }
    struct buf packed = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int rc = deflate_all(document, &packed, err);
    if (rc == 0) {
        rc = file_io_write_new(io, location, buf_str(&packed), err);
    }
    buf_free(&packed);
    return rc;
}
