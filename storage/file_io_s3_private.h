/* Shared by the files of S3 file access only.
 *
 * file_io_s3.c         keys, opening and closing, client properties
 * file_io_s3_read.c    read, open, stat, list, page
 * file_io_s3_write.c   write_new, create, copy, remove
 * file_io_s3_upload.c  multipart uploads
 * file_io_s3_sign.c    sign and vend
 *
 * Rules that always hold:
 * 1. A key is made from a location beneath the root only, by s3_path_parse.
 * 2. write_new and FILE_CREATE never overwrite; a file that exists was put there by one PUT or one
 *    completed upload.
 * 3. A reply that was lost is judged by the bytes that are there. */
#ifndef STORAGE_FILE_IO_S3_PRIVATE_H
#define STORAGE_FILE_IO_S3_PRIVATE_H

#include "base/location.h"
#include "storage/backend.h"
#include "storage/file_io_s3.h"
#include "storage/s3_client.h"

struct file_io_s3 {
    struct file_io base;
    struct arena *arena; /* of root, options and prefix */
    struct location root;
    struct storage_options options;
    struct storage_context context;
    struct str prefix; /* of keys: "" or "warehouse/" */
    bool oss;          /* keys for clients in all three dialects (contract/clients.md 1.13) */
    struct s3_credentials *credentials;
    struct s3_client *client;
};

static inline struct file_io_s3 *s3_of(struct file_io *io)
{
    return (struct file_io_s3 *)io;
}

struct s3_path {
    struct str location; /* canonical, for messages */
    struct str key;      /* without leading slash; of the root: the prefix without its slash */
    bool is_root;
};

/* Errors: ERR_ILLEGAL_ARGUMENT, ERR_FORBIDDEN (outside of the root). */
MUST_USE int s3_path_parse(struct file_io_s3 *io, struct str text, struct arena *arena,
                           struct s3_path *out, struct error *err);
/* The same, and the root is ERR_FORBIDDEN: a place for a file. */
MUST_USE int s3_file_path(struct file_io_s3 *io, struct str text, struct arena *arena,
                          struct s3_path *out, struct error *err);

/* The size, etag and time that an answer to GET, HEAD or PUT tells. */
void s3_stat_of(const struct http_response *response, struct file_stat *out);

int s3_vend(struct file_io *base, const struct file_scope *scope, int64_t lifetime_ms,
            struct arena *arena, struct file_keys *out, struct error *err);
int s3_sign(struct file_io *base, const struct file_scope *scope,
            const struct sign_request *request, struct arena *arena, struct sign_reply *out,
            struct error *err);

#endif
