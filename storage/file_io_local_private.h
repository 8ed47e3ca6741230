/* Shared by the files of local file access only.
 *
 * file_io_local.c       paths, errors, opening and closing
 * file_io_local_read.c  read, stat, list
 * file_io_local_write.c write_new, remove
 *
 * Rules that always hold:
 * 1. A path is resolved by openat2 beneath the root's descriptor, without symlinks or magic links;
 *    everything else names one component in a directory that was opened so.
 * 2. Only regular files are read, found or removed; an open cannot hang on a FIFO.
 * 3. A file gets its name when its content is durable, never over another file; write_new returns
 *    when the name is durable too, and every directory above it.
 * 4. What a crash leaves behind is called FILE_IO_LOCAL_TEMPORARY <tag>-<number>; nobody can create
 *    such a name otherwise. */
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

/* openat2 under rule 1. -1 with errno. */
int local_open_beneath(const struct file_io_local *io, const char *relative, uint64_t flags);
/* Makes the directories of the path that are missing and flushes every name on the way; returns
 * the last one's descriptor, or -1 with errno. */
int local_make_directories(int at, const char *relative, struct arena *arena);
/* close() that leaves errno alone: its own error says nothing, what matters was flushed. */
void local_close_fd(int fd);

/* All return -1. */
int local_unavailable(struct error *err, const char *what, const struct local_path *path, int why);
int local_not_found(struct error *err, const struct local_path *path);
int local_forbidden(struct error *err, const struct local_path *path);
int local_open_failed(struct error *err, const char *what, const struct local_path *path, int why);

int local_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
               struct error *err);
int local_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
               struct error *err);
int local_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
               struct error *err);
int local_write_new(struct file_io *base, struct str location, struct str body, struct error *err);
int local_make_directory(struct file_io *base, struct str location, struct error *err);
int local_remove(struct file_io *base, struct str location, struct error *err);

#endif
