/* Locations mapped to another root, and back.
 *
 * 1. A location is judged by the logical root first: what is not below it is refused here and the
 *    inner one is not asked.
 * 2. The path below the root is the same on both sides, byte for byte.
 * 3. No message tells of the inner root.
 * 4. The inner one is called behind its doors: what is done is counted once, at ours. */
#include "storage/file_io_mapped.h"

#include <assert.h>
#include <stdlib.h>

#include "base/location.h"
#include "base/log.h"
#include "storage/backend.h"

struct file_io_mapped {
    struct file_io base;
    struct arena *arena; /* of the roots' texts */
    struct location root;
    struct str inner_root;
    struct file_io *inner;
};

static struct file_io_mapped *mapped_of(struct file_io *io)
{
    return (struct file_io_mapped *)io;
}

/* ---- locations ------------------------------------------------------------------------------- */

/* A root with `relative` below it: empty, or beginning with a slash. */
static struct str with_root(struct str root, struct str relative, struct arena *arena)
{
    if (str_ends_with(root, STR("/"))) /* file:/// */
        relative = str_skip(relative, 1);
    return arena_printf(arena, "%.*s%.*s", STR_ARG(root), STR_ARG(relative));
}

static int map(const struct file_io_mapped *io, struct str text, struct arena *arena,
               struct str *out, struct error *err)
{
    struct location location;
    if (location_parse_file(text, arena, &location, err) != 0)
        return -1;
    if (!location_contains(&io->root, &location))
        return error_set(err, ERR_FORBIDDEN, "Location is outside of the warehouse: %.*s",
                         STR_ARG(location.text));
    *out = with_root(io->inner_root, str_skip(location.text, io->root.text.len), arena);
    return 0;
}

/* Rule 3, wherever the message names it. */
static int map_error(const struct file_io_mapped *io, int result, struct error *err)
{
    struct buf message = BUF_INIT(1 << 20);
    struct str rest = str_cstr(err->message), root = io->root.text;
    if (result == 0)
        return 0;
    while (rest.len > 0) {
        if (!str_starts_with(rest, io->inner_root)) {
            buf_add_char(&message, rest.ptr[0]);
            rest = str_skip(rest, 1);
            continue;
        }
        buf_add(&message, root);
        if (str_ends_with(io->inner_root, STR("/")))
            buf_add_char(&message, '/');
        rest = str_skip(rest, io->inner_root.len);
    }
    struct error mapped = *err;
    error_set(&mapped, err->kind, "%.*s", STR_ARG(buf_str(&message)));
    memcpy(err->message, mapped.message, sizeof(err->message)); /* the detail stays */
    buf_free(&message);
    return result;
}

/* The body of most functions: one location, mapped, and a call on the inner one with it. */
#define MAPPED(location, call)                         \
    struct file_io_mapped *io = mapped_of(base);       \
    struct arena *scratch = arena_new();               \
    struct str at;                                     \
    int result = map(io, location, scratch, &at, err); \
    if (result == 0)                                   \
        result = map_error(io, call, err);             \
    arena_free(scratch);                               \
    return result

/* ---- whole files ----------------------------------------------------------------------------- */

static int mapped_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
                       struct error *err)
{
    MAPPED(location, io->inner->backend->read(io->inner, at, bytes_max, out, err));
}

static int mapped_write_new(struct file_io *base, struct str location, struct str body,
                            struct error *err)
{
    MAPPED(location, io->inner->backend->write_new(io->inner, at, body, err));
}

static int mapped_stat(struct file_io *base, struct str location, bool *found,
                       struct file_stat *out, struct error *err)
{
    MAPPED(location, io->inner->backend->stat(io->inner, at, found, out, err));
}

static int mapped_remove(struct file_io *base, struct str location, struct error *err)
{
    MAPPED(location, io->inner->backend->remove(io->inner, at, err));
}

static int mapped_remove_all(struct file_io *base, const struct str *locations, size_t count,
                             struct error *err)
{
    struct file_io_mapped *io = mapped_of(base);
    struct arena *scratch = arena_new();
    struct str *inner = ARENA_ARRAY(scratch, struct str, count + 1);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = map(io, locations[i], scratch, &inner[i], err);
    const struct file_io_backend *backend = io->inner->backend;
    if (result == 0 && backend->remove_all != NULL)
        result = map_error(io, backend->remove_all(io->inner, inner, count, err), err);
    for (size_t i = 0; i < count && result == 0 && backend->remove_all == NULL; i++)
        result = map_error(io, backend->remove(io->inner, inner[i], err), err);
    arena_free(scratch);
    return result;
}

struct listing {
    const struct file_io_mapped *io;
    file_io_list_fn *fn;
    void *arg;
};

static bool list_one(void *arg, const struct file_entry *inner)
{
    const struct listing *listing = arg;
    const struct file_io_mapped *io = listing->io;
    struct arena *scratch = arena_new();
    struct file_entry entry = *inner;
    assert(str_starts_with(inner->location, io->inner_root));
    struct str relative = str_skip(inner->location, io->inner_root.len);
    const char *slash = str_starts_with(relative, STR("/")) ? "" : "/";
    entry.location =
        arena_printf(scratch, "%.*s%s%.*s", STR_ARG(io->root.text), slash, STR_ARG(relative));
    bool more = listing->fn(listing->arg, &entry);
    arena_free(scratch);
    return more;
}

static int mapped_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
                       struct error *err)
{
    struct listing listing = {mapped_of(base), fn, arg};
    MAPPED(directory, io->inner->backend->list(io->inner, at, list_one, &listing, err));
}

static int mapped_make_directory(struct file_io *base, struct str location, struct error *err)
{
    MAPPED(location, file_io_make_directory(io->inner, at, err));
}

static int mapped_remove_directory(struct file_io *base, struct str location, bool *removed,
                                   struct error *err)
{
    MAPPED(location, file_io_remove_directory(io->inner, at, removed, err));
}

/* ---- by pieces ------------------------------------------------------------------------------- */

/* Readers and writers tell only of their own location, in errors: they are wrapped for that. */
struct mapped_reader {
    struct file_reader base;
    const struct file_io_mapped *io;
    struct file_reader *inner;
};

static int reader_read(struct file_reader *base, void *to, size_t size, size_t *got,
                       struct error *err)
{
    struct mapped_reader *reader = (struct mapped_reader *)base;
    return map_error(reader->io, reader->inner->backend->read(reader->inner, to, size, got, err),
                     err);
}

static int reader_fd(const struct file_reader *base)
{
    return file_reader_fd(((const struct mapped_reader *)base)->inner);
}

static void reader_close(struct file_reader *base)
{
    file_reader_close(((struct mapped_reader *)base)->inner);
    free(base);
}

static const struct file_reader_backend reader_backend = {
    .read = reader_read,
    .fd = reader_fd,
    .close = reader_close,
};

struct mapped_writer {
    struct file_writer base;
    const struct file_io_mapped *io;
    struct file_writer *inner;
};

static int writer_write(struct file_writer *base, struct str data, struct error *err)
{
    struct mapped_writer *writer = (struct mapped_writer *)base;
    return map_error(writer->io, writer->inner->backend->write(writer->inner, data, err), err);
}

static int writer_finish(struct file_writer *base, struct file_stat *out, struct error *err)
{
    struct mapped_writer *writer = (struct mapped_writer *)base;
    int result =
        map_error(writer->io, writer->inner->backend->finish(writer->inner, out, err), err);
    free(writer);
    return result;
}

static void writer_abort(struct file_writer *base)
{
    file_writer_abort(((struct mapped_writer *)base)->inner);
    free(base);
}

static const struct file_writer_backend writer_backend = {
    .write = writer_write,
    .finish = writer_finish,
    .abort = writer_abort,
};

static int mapped_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
                       struct file_reader **out, struct error *err)
{
    struct mapped_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        log_fatal("out of memory");
    struct arena *scratch = arena_new();
    struct str at;
    reader->io = mapped_of(base);
    int result = map(reader->io, location, scratch, &at, err);
    if (result == 0)
        result = map_error(reader->io,
                           reader->io->inner->backend->open(reader->io->inner, at, offset, length,
                                                            &reader->inner, err),
                           err);
    arena_free(scratch);
    if (result != 0) {
        free(reader);
        return -1;
    }
    reader->base = *reader->inner;
    reader->base.backend = &reader_backend;
    *out = &reader->base;
    return 0;
}

/* Takes the inner writer of a call that succeeded. */
static int wrap_writer(const struct file_io_mapped *io, int result, struct file_writer **inner,
                       struct file_writer **out)
{
    if (result != 0)
        return result;
    struct mapped_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        log_fatal("out of memory");
    *writer = (struct mapped_writer){{&writer_backend}, io, *inner};
    *out = &writer->base;
    return 0;
}

static int mapped_create(struct file_io *base, struct str location, const struct file_write *write,
                         struct file_writer **out, struct error *err)
{
    struct file_writer *inner = NULL;
    MAPPED(location, wrap_writer(io, io->inner->backend->create(io->inner, at, write, &inner, err),
                                 &inner, out));
}

static int mapped_copy(struct file_io *base, struct str from, struct str to,
                       const struct file_write *write, struct file_stat *out, struct error *err)
{
    struct file_io_mapped *io = mapped_of(base);
    struct arena *scratch = arena_new();
    struct str inner_from, inner_to;
    int result = map(io, from, scratch, &inner_from, err);
    if (result == 0)
        result = map(io, to, scratch, &inner_to, err);
    if (result == 0)
        result = map_error(io, file_io_copy(io->inner, inner_from, inner_to, write, out, err), err);
    arena_free(scratch);
    return result;
}

static int mapped_page(struct file_io *base, const struct file_page_request *request,
                       struct arena *arena, struct file_page *out, struct error *err)
{
    struct file_io_mapped *io = mapped_of(base);
    return map_error(io, io->inner->backend->page(io->inner, request, arena, out, err), err);
}

/* ---- uploads --------------------------------------------------------------------------------- */

static int mapped_upload_begin(struct file_io *base, struct str location, struct arena *arena,
                               struct str *id, struct error *err)
{
    MAPPED(location, io->inner->backend->upload_begin(io->inner, at, arena, id, err));
}

static int mapped_upload_part(struct file_io *base, struct str location, struct str id, int number,
                              const struct file_write *write, struct file_writer **out,
                              struct error *err)
{
    struct file_writer *inner = NULL;
    MAPPED(location,
           wrap_writer(
               io, io->inner->backend->upload_part(io->inner, at, id, number, write, &inner, err),
               &inner, out));
}

static int mapped_upload_parts(struct file_io *base, struct str location, struct str id,
                               struct arena *arena, struct file_part **out, size_t *count,
                               struct error *err)
{
    MAPPED(location, io->inner->backend->upload_parts(io->inner, at, id, arena, out, count, err));
}

static int mapped_upload_complete(struct file_io *base, struct str location, struct str id,
                                  const struct file_part *parts, size_t count, enum write_mode mode,
                                  struct file_stat *out, struct error *err)
{
    MAPPED(location,
           io->inner->backend->upload_complete(io->inner, at, id, parts, count, mode, out, err));
}

static int mapped_upload_abort(struct file_io *base, struct str location, struct str id,
                               struct error *err)
{
    MAPPED(location, io->inner->backend->upload_abort(io->inner, at, id, err));
}

static int mapped_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err)
{
    struct file_io_mapped *io = mapped_of(base);
    return map_error(io, io->inner->backend->uploads_expire(io->inner, begun_before_ms, err), err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void mapped_free(struct file_io_mapped *io)
{
    arena_free(io->arena);
    free(io);
}

static void mapped_close(struct file_io *base)
{
    struct file_io_mapped *io = mapped_of(base);
    file_io_close(io->inner);
    mapped_free(io);
}

static const struct file_io_backend mapped_backend = {
    .name = "mapped",
    .read = mapped_read,
    .write_new = mapped_write_new,
    .stat = mapped_stat,
    .remove = mapped_remove,
    .remove_all = mapped_remove_all,
    .list = mapped_list,
    .make_directory = mapped_make_directory,
    .remove_directory = mapped_remove_directory,
    .open = mapped_open,
    .create = mapped_create,
    .copy = mapped_copy,
    .page = mapped_page,
    .upload_begin = mapped_upload_begin,
    .upload_part = mapped_upload_part,
    .upload_parts = mapped_upload_parts,
    .upload_complete = mapped_upload_complete,
    .upload_abort = mapped_upload_abort,
    .uploads_expire = mapped_uploads_expire,
    .close = mapped_close,
};

int file_io_mapped_open(struct str root, struct str inner_root, struct file_io *inner,
                        struct file_io **out, struct error *err)
{
    struct location parsed;
    struct file_io_mapped *io = calloc(1, sizeof(*io));
    if (io == NULL)
        log_fatal("out of memory");
    io->base.backend = &mapped_backend;
    io->arena = arena_new();
    io->inner = inner;
    if (location_parse(root, io->arena, &io->root, err) != 0 ||
        location_parse(inner_root, io->arena, &parsed, err) != 0) {
        mapped_free(io);
        return -1;
    }
    io->inner_root = parsed.text;
    *out = &io->base;
    return 0;
}
