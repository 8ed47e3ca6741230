/* What a storage backend implements; callers use storage/file_io.h, file_stream.h and access.h,
 * whose functions of the same names say what each does. Slots marked MAY can be NULL: the wrapper
 * has a default, which is told beside them. */
#ifndef STORAGE_BACKEND_H
#define STORAGE_BACKEND_H

#include "storage/access.h"
#include "storage/file_stream.h"

struct file_io_backend {
    const char *name;
    int (*read)(struct file_io *io, struct str location, size_t bytes_max, struct buf *out,
                struct error *err);
    int (*write_new)(struct file_io *io, struct str location, struct str body, struct error *err);
    int (*stat)(struct file_io *io, struct str location, bool *found, struct file_stat *out,
                struct error *err);
    int (*remove)(struct file_io *io, struct str location, struct error *err);
    int (*remove_all)(struct file_io *io, const struct str *locations, size_t count,
                      struct error *err); /* MAY: one after another */
    int (*list)(struct file_io *io, struct str directory, file_io_list_fn *fn, void *arg,
                struct error *err);
    int (*make_directory)(struct file_io *io, struct str location,
                          struct error *err); /* MAY: the store has none, success */
    int (*remove_directory)(struct file_io *io, struct str location, bool *removed,
                            struct error *err); /* MAY: the store has none, success */

    int (*open)(struct file_io *io, struct str location, int64_t offset, int64_t length,
                struct file_reader **out, struct error *err);
    int (*create)(struct file_io *io, struct str location, const struct file_write *write,
                  struct file_writer **out, struct error *err);
    int (*copy)(struct file_io *io, struct str from, struct str to, const struct file_write *write,
                struct file_stat *out, struct error *err); /* MAY: open, create */
    int (*page)(struct file_io *io, const struct file_page_request *request, struct arena *arena,
                struct file_page *out, struct error *err);

    int (*upload_begin)(struct file_io *io, struct str location, struct arena *arena,
                        struct str *id, struct error *err);
    int (*upload_part)(struct file_io *io, struct str location, struct str id, int number,
                       const struct file_write *write, struct file_writer **out, struct error *err);
    int (*upload_parts)(struct file_io *io, struct str location, struct str id, struct arena *arena,
                        struct file_part **out, size_t *count, struct error *err);
    int (*upload_complete)(struct file_io *io, struct str location, struct str id,
                           const struct file_part *parts, size_t count, enum write_mode mode,
                           struct file_stat *out, struct error *err);
    int (*upload_abort)(struct file_io *io, struct str location, struct str id, struct error *err);
    int (*uploads_expire)(struct file_io *io, int64_t begun_before_ms, struct error *err);

    int (*client_properties)(struct file_io *io, const struct file_keys *keys, struct arena *arena,
                             struct property **out, size_t *count,
                             struct error *err); /* MAY: none */
    int (*vend)(struct file_io *io, const struct file_scope *scope, int64_t lifetime_ms,
                struct arena *arena, struct file_keys *out, struct error *err); /* MAY: cannot */
    int (*sign)(struct file_io *io, const struct file_scope *scope,
                const struct sign_request *request, struct arena *arena, struct sign_reply *out,
                struct error *err); /* MAY: cannot */

    void (*close)(struct file_io *io);
};

struct file_reader_backend {
    int (*read)(struct file_reader *reader, void *to, size_t size, size_t *got, struct error *err);
    int (*fd)(const struct file_reader *reader); /* MAY: -1 */
    void (*close)(struct file_reader *reader);
};

/* For the wrappers: passes `result` on, and counts trouble of the storage itself; a missing or
 * present file is an answer. */
int file_io_counted(int result, const struct error *err);

/* For open: cuts what was asked for to the file of reader->stat. */
void file_reader_cut(struct file_reader *reader, int64_t offset, int64_t length);

struct file_writer_backend {
    int (*write)(struct file_writer *writer, struct str data, struct error *err);
    int (*finish)(struct file_writer *writer, struct file_stat *out, struct error *err);
    void (*abort)(struct file_writer *writer);
};

#endif
