/* File access of one warehouse, all of it beneath the warehouse's root. A backend is a vtable;
 * which one serves a location is decided by its scheme where the warehouse is opened. Files that
 * the catalog writes are immutable: it creates, reads and removes, and never overwrites. Streams,
 * pages and uploads, as the gateway needs them, are in storage/file_stream.h; keys and signatures
 * for clients that go to the store themselves in storage/access.h.
 *
 * Every function may also fail with ERR_STORAGE_REFUSED: the store does not take the keys that it
 * was opened with, or lets them do less. Not the caller's caller's fault, so it is a 503 on the
 * wire.
 *
 * Locations are texts that location_parse_file accepts (else ERR_ILLEGAL_ARGUMENT); a location
 * outside the root, or one that leads over a symlink or to something else than a regular file, is
 * ERR_FORBIDDEN. Both before anything is touched.
 * Threads: all functions from any thread; they block, but never longer than the store's deadline.
 */
#ifndef STORAGE_FILE_IO_H
#define STORAGE_FILE_IO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

struct file_io;
struct file_io_backend; /* storage/backend.h */

struct file_io { /* first member of every backend's own struct */
    const struct file_io_backend *backend;
};

struct file_entry {
    struct str location;
    int64_t bytes;
    int64_t modified_ms;
};
/* false ends the listing early. */
typedef bool file_io_list_fn(void *arg, const struct file_entry *entry);

/* Appends the whole file to *out. Errors: ERR_FILE_NOT_FOUND ("Failed to open input stream for
 * file: <location>"), ERR_FORBIDDEN, ERR_BODY_TOO_LARGE, ERR_UNAVAILABLE. */
MUST_USE int file_io_read(struct file_io *io, struct str location, size_t bytes_max,
                          struct buf *out, struct error *err);

/* Creates the file, complete and durable (content, name and new directories) when it returns 0;
 * on failure nothing exists under that name. Makes missing directories. A store whose reply was
 * lost is asked again and judged by the content's digest: one that holds these very bytes under
 * this (fresh, unguessable) name has taken the write.
 * Errors: ERR_ALREADY_EXISTS (untouched), ERR_FORBIDDEN, ERR_UNAVAILABLE (nothing was written, or
 * nothing that anyone will find). */
MUST_USE int file_io_write_new(struct file_io *io, struct str location, struct str body,
                               struct error *err);

/* Is there a regular file? Cheap: nothing is read. */
MUST_USE int file_io_exists(struct file_io *io, struct str location, bool *out, struct error *err);

/* A missing file is success. Not flushed: after a power loss the file may be back. */
MUST_USE int file_io_remove(struct file_io *io, struct str location, struct error *err);

/* The same for many at once; stops at the first that fails. */
MUST_USE int file_io_remove_all(struct file_io *io, const struct str *locations, size_t count,
                                struct error *err);

/* Every regular file below the directory, any order; symlinks are not followed, names that are no
 * valid location are passed over. A missing directory is empty. */
MUST_USE int file_io_list(struct file_io *io, struct str directory, file_io_list_fn *fn, void *arg,
                          struct error *err);

/* Makes the directory and those above it, where the store has such a thing; one that exists is
 * success. For clients that write into a directory without making it. */
MUST_USE int file_io_make_directory(struct file_io *io, struct str location, struct error *err);

/* Removes the directory if it is empty and not the root. One that is not empty, a missing one, and
 * a store without directories are success with *removed false. */
MUST_USE int file_io_remove_directory(struct file_io *io, struct str location, bool *removed,
                                      struct error *err);

void file_io_close(struct file_io *io);

#endif
