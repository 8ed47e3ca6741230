/* Shared by the files of HDFS access only.
 *
 * file_io_webhdfs.c        paths, opening and closing, directories, removing
 * file_io_webhdfs_call.c   one operation: request, redirect, refusal
 * file_io_webhdfs_read.c   stat, read, readers
 * file_io_webhdfs_list.c   list, page
 * file_io_webhdfs_write.c  writers, write_new
 * file_io_webhdfs_upload.c multipart uploads
 *
 * Rules that always hold:
 * 1. A path is made of a location that is below the root, and percent-encoded whole: nothing in a
 *    name becomes part of a query.
 * 2. Only operations that change nothing when they come twice are repeated by webhdfs_call.
 * 3. A file gets its name when its length was seen to be what was written.
 * 4. No URL, hence no token, is in a message or a detail.
 * 5. HDFS_UPLOADS below the root is no place of the warehouse: no location leads there. */
#ifndef STORAGE_FILE_IO_WEBHDFS_PRIVATE_H
#define STORAGE_FILE_IO_WEBHDFS_PRIVATE_H

#include "storage/backend.h"
#include "storage/file_io_webhdfs.h"

#include <jansson.h>
#include <pthread.h>

#include "base/location.h"
#include "storage/http_client.h"
#include "storage/key_walk.h"

#define HDFS_UPLOADS ".firn-uploads"
#define HDFS_EXCEPTION_BYTES_MAX 64
#define HDFS_ANSWER_BYTES_MAX (8 << 20) /* a batch of names: a thousand of 1 KB and their rows */

struct file_io_webhdfs {
    struct file_io base;
    struct arena *arena; /* of the texts below */
    struct location root;
    struct str service;  /* http://host:port/webhdfs/v1 */
    struct str identity; /* "&user.name=…", "&delegation=…" or "" */
    bool is_https;
    struct http_client *calls;   /* the namenode */
    struct http_client *files;   /* datanodes, whole files: what commits need */
    struct http_client *streams; /* datanodes, readers and writers */
    const struct storage_context *context;
    pthread_mutex_t replace_mutex; /* conditions hold while a name is taken */
};

static inline struct file_io_webhdfs *webhdfs_of(struct file_io *io)
{
    return (struct file_io_webhdfs *)io;
}

struct hdfs_path {
    struct str location; /* canonical, for messages */
    struct str path;     /* in HDFS: /a/b */
    bool is_root;        /* of the warehouse: a directory, never a file */
};

MUST_USE int webhdfs_path_parse(struct file_io_webhdfs *io, struct str text, struct arena *arena,
                                struct hdfs_path *out, struct error *err);
/* A path in HDFS_UPLOADS, in the name of a location. */
struct hdfs_path webhdfs_hidden_path(const struct file_io_webhdfs *io, struct str location,
                                     struct str relative, struct arena *arena);

/* ---- operations ------------------------------------------------------------------------------ */

struct hdfs_op {
    const char *method;
    const struct hdfs_path *at;
    struct str query; /* op=…&…, encoded */
    const char *verb; /* for messages: "read" */
    bool repeatable;
};

struct hdfs_reply {
    int status;                               /* 0: no answer came */
    bool maybe_done;                          /* no answer, or one that tells nothing */
    char exception[HDFS_EXCEPTION_BYTES_MAX]; /* of a refusal, without its package */
    bool below_file;                          /* a refusal: a file is where a directory should be */
    json_t *json; /* of success; the caller's (json_decref); may be NULL */
};

/* Success is an answer of 200 or 201. The error of a refusal is made of its exception:
 * FileNotFoundException ERR_FILE_NOT_FOUND, FileAlreadyExistsException ERR_ALREADY_EXISTS, what is
 * no directory or leads elsewhere ERR_FORBIDDEN, permissions and tokens ERR_STORAGE_REFUSED, names
 * ERR_ILLEGAL_ARGUMENT, all else ERR_UNAVAILABLE. */
MUST_USE int webhdfs_call(struct file_io_webhdfs *io, const struct hdfs_op *op, struct arena *arena,
                          struct hdfs_reply *out, struct error *err);
/* The same without an interest in what it says. */
MUST_USE int webhdfs_do(struct file_io_webhdfs *io, const struct hdfs_op *op, struct arena *arena,
                        struct error *err);
/* {"boolean":…} */
bool webhdfs_said_true(const struct hdfs_reply *reply);

/* An OPEN whose answer's headers are there: read from the exchange, which is the caller's.
 * `datanodes` is io->files or io->streams. */
MUST_USE int webhdfs_open_data(struct file_io_webhdfs *io, struct http_client *datanodes,
                               const struct hdfs_path *path, int64_t offset, int64_t length,
                               struct arena *arena, struct http_exchange **out, struct error *err);
/* A CREATE that waits for its bytes: so many, or HTTP_CHUNKED. */
MUST_USE int webhdfs_create_data(struct file_io_webhdfs *io, struct http_client *datanodes,
                                 const struct hdfs_path *path, int64_t bytes, struct arena *arena,
                                 struct http_exchange **out, struct error *err);
/* Ends it: 0 when the datanode has the file. Closes the exchange in any case. */
MUST_USE int webhdfs_create_end(struct http_exchange *exchange, const struct hdfs_path *path,
                                struct error *err);

/* A percent-encoded text: of a path with its slashes, else of a value. */
struct str webhdfs_encode(struct arena *arena, struct str text, bool keep_slashes);

/* All return -1. The first two make another error of one that was set, and keep its detail. */
int webhdfs_unavailable(struct error *err, const char *verb, const struct hdfs_path *path);
int webhdfs_failed(struct error *err, enum error_kind kind, const char *message,
                   const struct hdfs_path *path);
int webhdfs_broken(struct error *err, const char *verb, const struct hdfs_path *path,
                   const char *why);

/* ---- looking --------------------------------------------------------------------------------- */

MUST_USE int webhdfs_look(struct file_io_webhdfs *io, const struct hdfs_path *path, bool *found,
                          struct file_stat *out, struct error *err);
/* A FileStatus; false: malformed, or neither file nor directory. */
bool webhdfs_stat_of(const json_t *status, struct file_stat *out);
/* What is in a directory, as a key_source tells it; a missing one is empty. */
MUST_USE int webhdfs_names(struct file_io_webhdfs *io, const struct hdfs_path *directory,
                           key_name_fn *fn, void *fn_arg, struct error *err);
MUST_USE int webhdfs_delete(struct file_io_webhdfs *io, const struct hdfs_path *path,
                            bool recursive, bool *existed, struct error *err);

/* ---- writing --------------------------------------------------------------------------------- */

struct hdfs_target {
    struct hdfs_path path;
    enum write_mode mode;
    struct str if_match;
    bool make_directory; /* else a missing one is ERR_FILE_NOT_FOUND */
    bool is_whole_file;  /* through io->files */
};
/* Takes the arena, where the target lives, in any case. */
MUST_USE int webhdfs_writer_open(struct file_io_webhdfs *io, struct arena *arena,
                                 const struct hdfs_target *target, int64_t bytes,
                                 struct file_writer **out, struct error *err);
/* Does the name lead to that file? False too when that cannot be learned. */
bool webhdfs_leads_to(struct file_io_webhdfs *io, const struct hdfs_path *path,
                      const struct file_stat *stat);
/* Gives a whole file its name. *stat is of the file, and stays true. */
MUST_USE int webhdfs_publish(struct file_io_webhdfs *io, const struct hdfs_path *from,
                             const struct hdfs_target *target, const struct file_stat *stat,
                             struct error *err);

/* The slots of the backend. */
int webhdfs_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
                 struct error *err);
int webhdfs_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
                 struct error *err);
int webhdfs_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
                 struct file_reader **out, struct error *err);
int webhdfs_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
                 struct error *err);
int webhdfs_page(struct file_io *base, const struct file_page_request *request, struct arena *arena,
                 struct file_page *out, struct error *err);
int webhdfs_write_new(struct file_io *base, struct str location, struct str body,
                      struct error *err);
int webhdfs_create(struct file_io *base, struct str location, const struct file_write *write,
                   struct file_writer **out, struct error *err);
int webhdfs_upload_begin(struct file_io *base, struct str location, struct arena *arena,
                         struct str *id, struct error *err);
int webhdfs_upload_part(struct file_io *base, struct str location, struct str id, int number,
                        const struct file_write *write, struct file_writer **out,
                        struct error *err);
int webhdfs_upload_parts(struct file_io *base, struct str location, struct str id,
                         struct arena *arena, struct file_part **out, size_t *count,
                         struct error *err);
int webhdfs_upload_complete(struct file_io *base, struct str location, struct str id,
                            const struct file_part *parts, size_t count, enum write_mode mode,
                            struct file_stat *out, struct error *err);
int webhdfs_upload_abort(struct file_io *base, struct str location, struct str id,
                         struct error *err);
int webhdfs_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err);

#endif
