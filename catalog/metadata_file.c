/* Reads and writes metadata files. Gzip is told by the file's name, never by its content. */
#include "catalog/metadata_file.h"

#include "base/limits.h"
#include "catalog/gzip.h"
#include "iceberg/table_metadata.h"

static int inflate(struct str packed, struct str location, struct buf *out, struct error *err)
{
    if (gzip_inflate(packed, out)) {
        return 0;
    }
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a readable gzip file: %.*s",
                     STR_ARG(location));
}

int metadata_file_read(struct file_io *io, struct str location, struct buf *out, struct error *err)
{
    if (!metadata_location_is_gzip(location)) {
        return file_io_read(io, location, METADATA_FILE_BYTES_MAX, out, err);
    }
    struct buf packed = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int rc = file_io_read(io, location, METADATA_FILE_BYTES_MAX, &packed, err);
    if (rc == 0) {
        rc = inflate(buf_str(&packed), location, out, err);
    }
    buf_free(&packed);
    return rc;
}

int metadata_file_write(struct file_io *io, struct str location, struct str document,
                        struct error *err)
{
    if (!metadata_location_is_gzip(location)) {
        return file_io_write_new(io, location, document, err);
    }
    struct buf packed = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int rc = -1;
    if (!gzip_deflate(document, &packed)) {
        error_set(err, ERR_INTERNAL, "Cannot compress metadata");
    } else {
        rc = file_io_write_new(io, location, buf_str(&packed), err);
    }
    buf_free(&packed);
    return rc;
}
