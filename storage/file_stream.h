/* File access by pieces: what the gateway (server/s3_*.c) and the read cache need beyond whole
 * files. Same rules for locations, threads and errors as storage/file_io.h. A reader, a writer or
 * an upload belongs to one thread at a time.
 *
 * Etags are opaque texts in double quotes, at most FILE_ETAG_BYTES_MAX with them: the store's own
 * where it has such a thing, else made of what changes when the file does. The etag of a finished
 * write is that which a later file_io_stat tells. */
#ifndef STORAGE_FILE_STREAM_H
#define STORAGE_FILE_STREAM_H

#include "storage/file_io.h"

#define FILE_ETAG_BYTES_MAX 128

struct file_stat {
    int64_t bytes;
    int64_t modified_ms;
    bool is_directory; /* bytes is 0; stores without directories never say so */
    char etag[FILE_ETAG_BYTES_MAX + 1];
};

/* *found false: nothing of that name. */
MUST_USE int file_io_stat(struct file_io *io, struct str location, bool *found,
                          struct file_stat *out, struct error *err);

/* ---- reading --------------------------------------------------------------------------------- */

struct file_reader_backend;
struct file_reader { /* first member of every backend's own struct */
    const struct file_reader_backend *backend;
    struct file_stat stat; /* of the whole file, when it was opened */
    int64_t offset, length;
};

#define FILE_TO_END INT64_MAX

/* Opens `length` bytes from `offset` on, cut at the file's end. An offset at or past the end gives
 * an empty reader; the caller knows stat.bytes. Negative: the last -offset bytes.
 * Errors: ERR_FILE_NOT_FOUND, ERR_FORBIDDEN (a directory too), ERR_UNAVAILABLE. */
MUST_USE int file_io_open(struct file_io *io, struct str location, int64_t offset, int64_t length,
                          struct file_reader **out, struct error *err);
/* At least one byte, or *got 0 at the end. A file that turns out shorter than its reader's length
 * is ERR_UNAVAILABLE, never a silent end. */
MUST_USE int file_reader_read(struct file_reader *reader, void *to, size_t size, size_t *got,
                              struct error *err);
/* A descriptor whose bytes [reader->offset, +length) are the content, for sendfile; -1 when there
 * is none. The reader's: it is closed with it. */
int file_reader_fd(const struct file_reader *reader);
void file_reader_close(struct file_reader *reader);

/* ---- writing --------------------------------------------------------------------------------- */

enum write_mode {
    FILE_CREATE,  /* ERR_ALREADY_EXISTS when the name is taken at the end */
    FILE_REPLACE, /* takes the name, whatever it held; readers see the old or the new whole */
};

#define FILE_BYTES_UNKNOWN (-1)

struct file_write {
    enum write_mode mode;
    int64_t bytes;         /* exactly so many will come, or FILE_BYTES_UNKNOWN */
    struct str if_match;   /* only over a file with that etag, else ERR_PRECONDITION_FAILED;
                              FILE_REPLACE only, and not for parts */
    struct str md5_base64; /* STR_NONE, or what the store shall verify too, where it can; the
                              caller has, or will have, verified it */
};

struct file_writer_backend;
struct file_writer { /* first member of every backend's own struct */
    const struct file_writer_backend *backend;
};

/* Nothing is visible under the name before finish. */
MUST_USE int file_io_create(struct file_io *io, struct str location, const struct file_write *write,
                            struct file_writer **out, struct error *err);
MUST_USE int file_writer_write(struct file_writer *writer, struct str data, struct error *err);
/* Complete and durable (content, name, directories) when it returns 0. Frees the writer in any
 * case. Errors: ERR_ALREADY_EXISTS, ERR_PRECONDITION_FAILED, ERR_ILLEGAL_ARGUMENT (other length
 * than announced), ERR_UNAVAILABLE (whether it was written is open). */
MUST_USE int file_writer_finish(struct file_writer *writer, struct file_stat *out,
                                struct error *err);
/* Nothing was written; frees the writer. */
void file_writer_abort(struct file_writer *writer);

/* Within one file_io. The default streams; stores that can copy by themselves do. */
MUST_USE int file_io_copy(struct file_io *io, struct str from, struct str to,
                          const struct file_write *write, struct file_stat *out, struct error *err);

/* ---- multipart uploads ----------------------------------------------------------------------- */

#define FILE_PARTS_MAX 10000

struct file_part {
    int number; /* 1 to FILE_PARTS_MAX */
    char etag[FILE_ETAG_BYTES_MAX + 1];
    int64_t bytes; /* filled by listing */
    int64_t modified_ms;
};

/* Ids are [A-Za-z0-9._~-]+; an unknown one, or one of another location, is ERR_FILE_NOT_FOUND.
 * Uploads survive a restart; those that nobody completed are swept by file_io_uploads_expire. */
MUST_USE int file_io_upload_begin(struct file_io *io, struct str location, struct arena *arena,
                                  struct str *id, struct error *err);
/* A writer for one part; the same number again replaces it. finish tells its etag. */
MUST_USE int file_io_upload_part(struct file_io *io, struct str location, struct str id, int number,
                                 const struct file_write *write, struct file_writer **out,
                                 struct error *err);
MUST_USE int file_io_upload_parts(struct file_io *io, struct str location, struct str id,
                                  struct arena *arena, struct file_part **out, size_t *count,
                                  struct error *err);
/* Parts in ascending order with the etags that were told, else ERR_ILLEGAL_ARGUMENT. Afterwards the
 * id is unknown. Errors as file_writer_finish. */
MUST_USE int file_io_upload_complete(struct file_io *io, struct str location, struct str id,
                                     const struct file_part *parts, size_t count,
                                     enum write_mode mode, struct file_stat *out,
                                     struct error *err);
MUST_USE int file_io_upload_abort(struct file_io *io, struct str location, struct str id,
                                  struct error *err);
MUST_USE int file_io_uploads_expire(struct file_io *io, int64_t begun_before_ms, struct error *err);

/* ---- listing by pages ------------------------------------------------------------------------ */

/* Keys are paths below the root without the leading slash, in byte order. */
struct file_page_request {
    struct str prefix; /* of keys; may end within a name; empty: all */
    bool
        by_directory; /* keys with a '/' after the prefix are rolled up: one entry, ending in '/' */
    struct str after; /* only keys (and rolled up ones) greater than this */
    size_t limit;     /* at most so many entries, 1 to 1000 */
};
struct file_page_entry {
    struct str key;
    bool is_directory; /* rolled up */
    struct file_stat stat;
};
struct file_page {
    struct file_page_entry *entries;
    size_t count;
    bool more; /* keys remain after the last entry */
};
/* Never shows uploads in progress or temporary files. */
MUST_USE int file_io_page(struct file_io *io, const struct file_page_request *request,
                          struct arena *arena, struct file_page *out, struct error *err);

#endif
