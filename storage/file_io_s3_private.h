/* Shared by the files of S3 file access only.
 *
 * file_io_s3.c         keys, opening and closing, client properties
 * file_io_s3_read.c    read, open, stat
 * file_io_s3_list.c    list, page
 * file_io_s3_write.c   write_new, copy, remove, remove_all
 * file_io_s3_stream.c  create and the writers
 * file_io_s3_upload.c  multipart uploads
 * file_io_s3_sign.c    sign, vend
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
#include "storage/s3_sts.h"

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
    struct s3_sts *sts;
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

/* The etag in double quotes, as all of firn knows it. */
void s3_etag_of(struct str text, char out[FILE_ETAG_BYTES_MAX + 1]);
/* Of "2026-11-25T01:02:03.000Z", ms since the epoch; 0 when it is none. */
int64_t s3_time_of_iso(struct str text);
/* The size, etag and time that an answer to GET, HEAD or PUT tells. */
void s3_stat_of(const struct http_response *response, struct file_stat *out);

/* ---- writing, for several of the files ------------------------------------------------------- */

#define S3_PUT_BYTES_MAX (5ll << 30) /* of one PUT, of one copy */
#define S3_CONDITIONS_MAX 3

/* The headers of a write's conditions; returns how many. */
size_t s3_conditions(const struct file_write *write, struct arena *arena,
                     struct http_header out[S3_CONDITIONS_MAX]);
/* What an answer that is not ok means to a write under conditions. Always -1. */
int s3_write_error(const struct s3_answer *answer, const struct s3_call *call,
                   const struct file_write *write, struct error *err);
/* One PUT of what is in memory, repeated where it must be, a lost reply judged by the bytes there.
 */
MUST_USE int s3_put(struct file_io_s3 *io, const struct s3_path *path, struct str body,
                    const struct file_write *write, struct file_stat *out, struct error *err);
/* For stores that ignore conditions of copies and completions: looked up before. */
MUST_USE int s3_check_conditions(struct file_io_s3 *io, const struct s3_path *path,
                                 const struct file_write *write, struct error *err);
MUST_USE int s3_head(struct file_io_s3 *io, const struct s3_path *path, bool *found,
                     struct file_stat *out, struct error *err);

/* Uploads by the store's own id. */
MUST_USE int s3_multipart_begin(struct file_io_s3 *io, const struct s3_path *path,
                                struct arena *arena, struct str *id, struct error *err);
MUST_USE int s3_multipart_put(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                              int number, struct str body, const struct file_write *write,
                              struct file_stat *out, struct error *err);
MUST_USE int s3_multipart_complete(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                                   const struct file_part *parts, size_t count,
                                   const struct file_write *write, struct file_stat *out,
                                   struct error *err);
MUST_USE int s3_multipart_abort(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                                struct error *err);
/* Certainly not there any more. */
bool s3_multipart_is_gone(struct file_io_s3 *io, const struct s3_path *path, struct str id);
/* A writer for one part (number > 0), or for the whole file (number 0). */
MUST_USE int s3_writer_open(struct file_io_s3 *io, const struct s3_path *path, struct str id,
                            int number, const struct file_write *write, struct file_writer **out,
                            struct error *err);

/* Base64 of the MD5, as Content-MD5 has it. */
struct str s3_md5_base64(struct str body, struct arena *arena);

/* ---- slots ----------------------------------------------------------------------------------- */

int s3_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
            struct error *err);
int s3_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
            struct file_reader **out, struct error *err);
int s3_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
            struct error *err);
int s3_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
            struct error *err);
int s3_page(struct file_io *base, const struct file_page_request *request, struct arena *arena,
            struct file_page *out, struct error *err);
int s3_make_directory(struct file_io *base, struct str location, struct error *err);
int s3_write_new(struct file_io *base, struct str location, struct str body, struct error *err);
int s3_remove(struct file_io *base, struct str location, struct error *err);
int s3_remove_all(struct file_io *base, const struct str *locations, size_t count,
                  struct error *err);
int s3_create(struct file_io *base, struct str location, const struct file_write *write,
              struct file_writer **out, struct error *err);
int s3_copy(struct file_io *base, struct str from, struct str to, const struct file_write *write,
            struct file_stat *out, struct error *err);
int s3_upload_begin(struct file_io *base, struct str location, struct arena *arena, struct str *id,
                    struct error *err);
int s3_upload_part(struct file_io *base, struct str location, struct str id, int number,
                   const struct file_write *write, struct file_writer **out, struct error *err);
int s3_upload_parts(struct file_io *base, struct str location, struct str id, struct arena *arena,
                    struct file_part **out, size_t *count, struct error *err);
int s3_upload_complete(struct file_io *base, struct str location, struct str id,
                       const struct file_part *parts, size_t count, enum write_mode mode,
                       struct file_stat *out, struct error *err);
int s3_upload_abort(struct file_io *base, struct str location, struct str id, struct error *err);
int s3_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err);
int s3_vend(struct file_io *base, const struct file_scope *scope, int64_t lifetime_ms,
            struct arena *arena, struct file_keys *out, struct error *err);
int s3_sign(struct file_io *base, const struct file_scope *scope,
            const struct sign_request *request, struct arena *arena, struct sign_reply *out,
            struct error *err);

#endif
