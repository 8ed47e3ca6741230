/* Shared by the files of local file access only.
 *
 * file_io_local.c           paths, errors, opening and closing
 * file_io_local_directory.c making directories, durably
 * file_io_local_read.c      read, stat, readers
 * file_io_local_list.c      list, page
 * file_io_local_write.c     writers, write_new, copy, remove
 * file_io_local_upload.c    multipart uploads
 *
 * Rules that always hold:
 * 1. A path is resolved by openat2 beneath the root's descriptor, without symlinks or magic links;
 *    everything else names one component in a directory that was opened so.
 * 2. Only regular files are read, found or removed; an open cannot hang on a FIFO.
 * 3. A file gets its name when its content is durable, over another file only in FILE_REPLACE; a
 *    write returns when the name is durable too, and every directory above it.
 * 4. What a crash leaves behind is called FILE_IO_LOCAL_TEMPORARY <tag>-<number>; nobody can create
 *    such a name otherwise.
 * 5. Names are given under names_mutex: what was looked at before is still true then, as far as
 *    this process writes.
 * 6. LOCAL_UPLOADS below the root is no place of the warehouse: no location leads there. */
#ifndef STORAGE_FILE_IO_LOCAL_PRIVATE_H
#define STORAGE_FILE_IO_LOCAL_PRIVATE_H

#include "storage/backend.h"
#include "storage/file_io_local.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/location.h"
#include "base/random.h"

#define IO_BYTES_MAX (1u << 30) /* in one system call */
#define LOCAL_UPLOADS ".firn-uploads"
#define LOCAL_TEMPORARY_BYTES_MAX 64 /* of a temporary name */
/* Directories remembered as durable: so many sets, a power of two, of so many. A directory that is
 * forgotten costs a flush per level with the next file. */
#define DURABLE_SETS 4096
#define DURABLE_WAYS 4

/* The time of birth tells a directory from an older one whose inode it got. */
struct directory_id {
    uint64_t device, inode;
    int64_t born_ns; /* 0 where the file system does not know it */
};

struct file_io_local {
    struct file_io base;
    struct arena *arena; /* of the root's texts */
    struct location root;
    int root_fd;
    char tag[UUID_TEXT_BYTES]; /* of this process's temporary names */
    _Atomic uint64_t temporaries;
    pthread_mutex_t names_mutex; /* rule 5 */

    /* Directories whose name and whose parents' names were flushed by this process, so that a new
     * file in them needs one flush and not one per level. Newest first in each set. */
    pthread_mutex_t durable_mutex;
    struct directory_id durable[DURABLE_SETS][DURABLE_WAYS];
};

static inline struct file_io_local *local_of(struct file_io *io)
{
    return (struct file_io_local *)io;
}

/* A location taken apart: views into an arena. */
struct local_path {
    struct str location;   /* canonical, for messages */
    const char *relative;  /* to the root; "." is the root itself */
    const char *directory; /* its directory, relative to the root; "." is the root */
    const char *name;      /* its last component */
};

MUST_USE int local_path_parse(struct file_io_local *io, struct str text, struct arena *arena,
                              struct local_path *out, struct error *err);
bool local_path_is_root(const struct local_path *path); /* a directory, never a file */
/* The same, of a file that is to be written: neither the root nor a temporary name. */
MUST_USE int local_path_parse_new(struct file_io_local *io, struct str text, struct arena *arena,
                                  struct local_path *out, struct error *err);

/* openat2 under rule 1. -1 with errno. */
int local_open_beneath(const struct file_io_local *io, const char *relative, uint64_t flags);
/* Makes the directories of the path that are missing and flushes every name on the way; returns
 * the last one's descriptor, or -1 with errno. */
int local_make_directories(int at, const char *relative, struct arena *arena);
/* The directory that a new file goes into, made when missing, itself durable. -1 with errno. */
int local_open_durable_directory(struct file_io_local *io, const struct local_path *path,
                                 struct arena *arena);
/* close() that leaves errno alone: its own error says nothing, what matters was flushed. */
void local_close_fd(int fd);

/* All return -1. */
int local_unavailable(struct error *err, const char *what, const struct local_path *path, int why);
int local_not_found(struct error *err, const struct local_path *path);
int local_forbidden(struct error *err, const struct local_path *path);
int local_open_failed(struct error *err, const char *what, const struct local_path *path, int why);

int local_write_failed(struct error *err, const struct local_path *path, int why);

/* What a look tells: etags are made of what changes when another file takes the name; files are
 * replaced whole, never written to. */
void local_stat_of(const struct stat *file, struct file_stat *out);

/* A writer; parts of uploads are written by the same. */
struct local_writer {
    struct file_writer base;
    struct file_io_local *io;
    struct arena *arena; /* of the path and the condition */
    struct local_path path;
    enum write_mode mode;
    struct str if_match;
    int64_t announced, written;
    int directory, fd; /* -1: none */
    bool failed;       /* a write did; it cannot be finished */
    char temporary[LOCAL_TEMPORARY_BYTES_MAX];
};

/* Takes the arena, where the path lives, in any case. The directory is made when it is missing, or
 * is ERR_FILE_NOT_FOUND. */
MUST_USE int local_writer_open(struct file_io_local *io, struct arena *arena,
                               const struct local_path *path, const struct file_write *write,
                               bool make_directory, struct local_writer **out, struct error *err);
/* Appends so many bytes from a file's beginning. */
MUST_USE int local_writer_append(struct local_writer *writer, int from, int64_t bytes,
                                 struct error *err);

int local_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
               struct error *err);
int local_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
               struct error *err);
int local_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
               struct error *err);
int local_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
               struct file_reader **out, struct error *err);
int local_page(struct file_io *base, const struct file_page_request *request, struct arena *arena,
               struct file_page *out, struct error *err);
int local_create(struct file_io *base, struct str location, const struct file_write *write,
                 struct file_writer **out, struct error *err);
int local_copy(struct file_io *base, struct str from, struct str to, const struct file_write *write,
               struct file_stat *out, struct error *err);
int local_upload_begin(struct file_io *base, struct str location, struct arena *arena,
                       struct str *id, struct error *err);
int local_upload_part(struct file_io *base, struct str location, struct str id, int number,
                      const struct file_write *write, struct file_writer **out, struct error *err);
int local_upload_parts(struct file_io *base, struct str location, struct str id,
                       struct arena *arena, struct file_part **out, size_t *count,
                       struct error *err);
int local_upload_complete(struct file_io *base, struct str location, struct str id,
                          const struct file_part *parts, size_t count, enum write_mode mode,
                          struct file_stat *out, struct error *err);
int local_upload_abort(struct file_io *base, struct str location, struct str id, struct error *err);
int local_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err);
int local_write_new(struct file_io *base, struct str location, struct str body, struct error *err);
int local_make_directory(struct file_io *base, struct str location, struct error *err);
int local_remove_directory(struct file_io *base, struct str location, bool *removed,
                           struct error *err);
int local_remove(struct file_io *base, struct str location, struct error *err);

#endif
