/* Reads through the cache, all else past it.
 *
 * 1. A file's blocks are named by its place and its etag, so what is served as one file always was
 *    one file.
 * 2. What is remembered of a file (its stat) is forgotten before and after everything that changes
 *    it through here: a read that begins after an acknowledged write sees it.
 * 3. Trouble with the cache sends the reader to the store; trouble of the store is told. */
#include "storage/file_io_cached.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/backend.h"

#define KNOWN_FILES 4096 /* a power of two; a collision forgets the older one */

struct known_file {
    char *location; /* NULL: the place is free */
    struct file_stat stat;
    int64_t until_ms;
};

struct file_io_cached {
    struct file_io base;
    struct file_io_backend backend; /* can do what the inner one can */
    struct file_io *inner;
    struct read_cache *cache;
    const struct clock *clock;
    struct str place;
    pthread_mutex_t lock;
    uint64_t changes; /* counts what may have made a stat stale */
    struct known_file known[KNOWN_FILES];
};

static struct file_io_cached *cached_of(struct file_io *io)
{
    return (struct file_io_cached *)io;
}

static struct file_io *inner_of(struct file_io *io)
{
    return cached_of(io)->inner;
}

/* ---- what is known of files ------------------------------------------------------------------ */

static struct known_file *place_of(struct file_io_cached *io, struct str location)
{
    struct sha256 digest = sha256_of(location);
    size_t at = ((size_t)digest.bytes[0] << 8 | digest.bytes[1]) & (KNOWN_FILES - 1);
    return &io->known[at];
}

static bool is_of(const struct known_file *known, struct str location)
{
    return known->location != NULL && str_equal_cstr(location, known->location);
}

static void forget(struct file_io_cached *io, struct str location)
{
    pthread_mutex_lock(&io->lock);
    struct known_file *known = place_of(io, location);
    if (is_of(known, location)) {
        free(known->location);
        known->location = NULL;
    }
    io->changes++;
    pthread_mutex_unlock(&io->lock);
}

static void remember(struct file_io_cached *io, struct str location, const struct file_stat *stat,
                     uint64_t changes_before)
{
    pthread_mutex_lock(&io->lock);
    struct known_file *known = place_of(io, location);
    if (io->changes == changes_before) { /* else it may be of a file that is gone */
        free(known->location);
        known->location = strndup(location.ptr, location.len);
        if (known->location == NULL)
            log_fatal("out of memory: the read cache");
        known->stat = *stat;
        known->until_ms = clock_now_ms(io->clock) + FILE_IO_CACHED_TRUST_MS;
    }
    pthread_mutex_unlock(&io->lock);
}

/* The stat of a regular file. Errors: those of file_io_open. */
static int look(struct file_io_cached *io, struct str location, struct file_stat *out,
                struct error *err)
{
    pthread_mutex_lock(&io->lock);
    const struct known_file *known = place_of(io, location);
    bool found = is_of(known, location) && known->until_ms > clock_now_ms(io->clock);
    if (found)
        *out = known->stat;
    uint64_t changes = io->changes;
    pthread_mutex_unlock(&io->lock);
    if (found)
        return 0;
    if (file_io_stat(io->inner, location, &found, out, err) != 0)
        return -1;
    if (!found || out->is_directory)
        return error_set(err, ERR_FILE_NOT_FOUND, "Failed to open input stream for file: %.*s",
                         STR_ARG(location));
    remember(io, location, out, changes);
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct cached_reader {
    struct file_reader base;
    struct file_io_cached *io;
    struct str location;
    struct sha256 file;
    struct arena *arena;
    int64_t at; /* in the file */
    int fd;     /* of the block that `at` lies in, or -1 */
    uint32_t block;
    struct file_reader *inner; /* of the store, at inner_at; or NULL */
    int64_t inner_at;
    struct error trouble; /* of the store, while a block was filled */
};

static void close_inner(struct cached_reader *reader)
{
    if (reader->inner != NULL)
        file_reader_close(reader->inner);
    reader->inner = NULL;
}

/* The store's reader at an offset: the one at hand goes on when it stands there. */
static int inner_to(struct cached_reader *reader, int64_t offset, struct error *err)
{
    if (reader->inner != NULL && reader->inner_at == offset)
        return 0;
    close_inner(reader);
    int64_t end = reader->base.offset + reader->base.length; /* whole blocks, not past the file */
    end += READ_CACHE_BLOCK_BYTES - 1;
    end -= end % READ_CACHE_BLOCK_BYTES;
    if (file_io_open(reader->io->inner, reader->location, offset, end - offset, &reader->inner,
                     err) != 0)
        return -1;
    reader->inner_at = offset;
    if (strcmp(reader->inner->stat.etag, reader->base.stat.etag) == 0)
        return 0;
    close_inner(reader);
    forget(reader->io, reader->location);
    return error_set(err, ERR_UNAVAILABLE, "File changed while it was read: %.*s",
                     STR_ARG(reader->location));
}

static int inner_read(struct cached_reader *reader, void *to, size_t size, size_t *got,
                      struct error *err)
{
    if (file_reader_read(reader->inner, to, size, got, err) != 0) {
        close_inner(reader);
        return -1;
    }
    reader->inner_at += (int64_t)*got;
    return 0;
}

static int pull(void *arg, void *to, size_t size, size_t *got)
{
    struct cached_reader *reader = arg;
    return inner_read(reader, to, size, got, &reader->trouble);
}

/* Opens the block that reader->at lies in. -1 with *direct: the store shall serve it. */
static int enter_block(struct cached_reader *reader, bool *direct, struct error *err)
{
    int64_t start = reader->at - reader->at % READ_CACHE_BLOCK_BYTES;
    int64_t rest = reader->base.stat.bytes - start;
    const struct read_cache_block block = {
        .file = reader->file,
        .number = (uint32_t)(start / READ_CACHE_BLOCK_BYTES),
        .bytes = (uint32_t)(rest < READ_CACHE_BLOCK_BYTES ? rest : READ_CACHE_BLOCK_BYTES),
    };
    bool broken = false;
    *direct = false;
    reader->block = block.number;
    reader->fd = read_cache_get(reader->io->cache, &block, direct);
    if (reader->fd >= 0 || *direct)
        return 0;
    if (inner_to(reader, start, err) != 0) {
        read_cache_give_up(reader->io->cache, &block);
        return -1;
    }
    reader->fd = read_cache_fill(reader->io->cache, &block, pull, reader, &broken);
    if (broken) {
        *err = reader->trouble;
        return -1;
    }
    *direct = reader->fd < 0;
    return 0;
}

static int read_direct(struct cached_reader *reader, void *to, size_t size, size_t *got,
                       struct error *err)
{
    if (inner_to(reader, reader->at, err) != 0)
        return -1;
    return inner_read(reader, to, size, got, err);
}

static int read_block(struct cached_reader *reader, void *to, size_t size, size_t *got,
                      struct error *err)
{
    int64_t within = reader->at % READ_CACHE_BLOCK_BYTES;
    if (size > (size_t)(READ_CACHE_BLOCK_BYTES - within))
        size = (size_t)(READ_CACHE_BLOCK_BYTES - within);
    ssize_t done = pread(reader->fd, to, size, within);
    if (done <= 0) /* it was whole when it was opened: the disk is in trouble */
        return read_direct(reader, to, size, got, err);
    *got = (size_t)done;
    return 0;
}

static void leave_block(struct cached_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

static int cached_reader_read(struct file_reader *base, void *to, size_t size, size_t *got,
                              struct error *err)
{
    struct cached_reader *reader = (struct cached_reader *)base;
    int64_t left = base->offset + base->length - reader->at;
    bool direct = false;
    *got = 0;
    if (left <= 0)
        return 0;
    if ((int64_t)size > left)
        size = (size_t)left;
    if (reader->fd >= 0 && reader->at / READ_CACHE_BLOCK_BYTES != reader->block)
        leave_block(reader);
    if (reader->fd < 0 && enter_block(reader, &direct, err) != 0)
        return -1;
    if ((direct ? read_direct : read_block)(reader, to, size, got, err) != 0)
        return -1;
    if (*got == 0)
        return error_set(err, ERR_UNAVAILABLE, "File ended early: %.*s", STR_ARG(reader->location));
    reader->at += (int64_t)*got;
    return 0;
}

static void cached_reader_close(struct file_reader *base)
{
    struct cached_reader *reader = (struct cached_reader *)base;
    leave_block(reader);
    close_inner(reader);
    arena_free(reader->arena);
}

static const struct file_reader_backend reader_backend = {
    .read = cached_reader_read,
    .close = cached_reader_close,
};

static int cached_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
                       struct file_reader **out, struct error *err)
{
    struct file_io_cached *io = cached_of(base);
    struct file_stat stat;
    if (look(io, location, &stat, err) != 0)
        return -1;
    struct arena *arena = arena_new();
    struct cached_reader *reader = ARENA_NEW(arena, struct cached_reader);
    *reader = (struct cached_reader){.io = io, .arena = arena, .fd = -1};
    reader->base.backend = &reader_backend;
    reader->base.stat = stat;
    reader->location = arena_str(arena, location);
    const struct str parts[] = {io->place, location, str_cstr(stat.etag)};
    reader->file = sha256_of_parts(parts, 3);
    file_reader_cut(&reader->base, offset, length);
    reader->at = reader->base.offset;
    *out = &reader->base;
    return 0;
}

/* ---- writing: past the cache, and what was known is forgotten -------------------------------- */

struct cached_writer {
    struct file_writer base;
    struct file_io_cached *io;
    struct file_writer *inner;
    struct str location;
    struct arena *arena;
};

static int cached_writer_write(struct file_writer *base, struct str data, struct error *err)
{
    return file_writer_write(((struct cached_writer *)base)->inner, data, err);
}

static int cached_writer_finish(struct file_writer *base, struct file_stat *out, struct error *err)
{
    struct cached_writer *writer = (struct cached_writer *)base;
    int result = file_writer_finish(writer->inner, out, err);
    forget(writer->io, writer->location);
    arena_free(writer->arena);
    return result;
}

static void cached_writer_abort(struct file_writer *base)
{
    struct cached_writer *writer = (struct cached_writer *)base;
    file_writer_abort(writer->inner);
    arena_free(writer->arena);
}

static const struct file_writer_backend writer_backend = {
    .write = cached_writer_write,
    .finish = cached_writer_finish,
    .abort = cached_writer_abort,
};

static int cached_create(struct file_io *base, struct str location, const struct file_write *write,
                         struct file_writer **out, struct error *err)
{
    struct file_writer *inner;
    if (file_io_create(inner_of(base), location, write, &inner, err) != 0)
        return -1;
    struct arena *arena = arena_new();
    struct cached_writer *writer = ARENA_NEW(arena, struct cached_writer);
    *writer = (struct cached_writer){
        .base.backend = &writer_backend,
        .io = cached_of(base),
        .inner = inner,
        .location = arena_str(arena, location),
        .arena = arena,
    };
    *out = &writer->base;
    return 0;
}

static int cached_copy(struct file_io *base, struct str from, struct str to,
                       const struct file_write *write, struct file_stat *out, struct error *err)
{
    int result = file_io_copy(inner_of(base), from, to, write, out, err);
    forget(cached_of(base), to);
    return result;
}

static int cached_write_new(struct file_io *base, struct str location, struct str body,
                            struct error *err)
{
    int result = file_io_write_new(inner_of(base), location, body, err);
    forget(cached_of(base), location);
    return result;
}

static int cached_remove(struct file_io *base, struct str location, struct error *err)
{
    int result = file_io_remove(inner_of(base), location, err);
    forget(cached_of(base), location);
    return result;
}

static int cached_remove_all(struct file_io *base, const struct str *locations, size_t count,
                             struct error *err)
{
    int result = file_io_remove_all(inner_of(base), locations, count, err);
    for (size_t i = 0; i < count; i++)
        forget(cached_of(base), locations[i]);
    return result;
}

static int cached_upload_complete(struct file_io *base, struct str location, struct str id,
                                  const struct file_part *parts, size_t count, enum write_mode mode,
                                  struct file_stat *out, struct error *err)
{
    int result =
        file_io_upload_complete(inner_of(base), location, id, parts, count, mode, out, err);
    forget(cached_of(base), location);
    return result;
}

/* ---- straight through ------------------------------------------------------------------------ */

static int cached_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
                       struct error *err)
{
    return file_io_read(inner_of(base), location, bytes_max, out, err);
}

static int cached_stat(struct file_io *base, struct str location, bool *found,
                       struct file_stat *out, struct error *err)
{
    return file_io_stat(inner_of(base), location, found, out, err);
}

static int cached_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
                       struct error *err)
{
    return file_io_list(inner_of(base), directory, fn, arg, err);
}

static int cached_make_directory(struct file_io *base, struct str location, struct error *err)
{
    return file_io_make_directory(inner_of(base), location, err);
}

static int cached_remove_directory(struct file_io *base, struct str location, bool *removed,
                                   struct error *err)
{
    return file_io_remove_directory(inner_of(base), location, removed, err);
}

static int cached_page(struct file_io *base, const struct file_page_request *request,
                       struct arena *arena, struct file_page *out, struct error *err)
{
    return file_io_page(inner_of(base), request, arena, out, err);
}

static int cached_upload_begin(struct file_io *base, struct str location, struct arena *arena,
                               struct str *id, struct error *err)
{
    return file_io_upload_begin(inner_of(base), location, arena, id, err);
}

static int cached_upload_part(struct file_io *base, struct str location, struct str id, int number,
                              const struct file_write *write, struct file_writer **out,
                              struct error *err)
{
    return file_io_upload_part(inner_of(base), location, id, number, write, out, err);
}

static int cached_upload_parts(struct file_io *base, struct str location, struct str id,
                               struct arena *arena, struct file_part **out, size_t *count,
                               struct error *err)
{
    return file_io_upload_parts(inner_of(base), location, id, arena, out, count, err);
}

static int cached_upload_abort(struct file_io *base, struct str location, struct str id,
                               struct error *err)
{
    return file_io_upload_abort(inner_of(base), location, id, err);
}

static int cached_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err)
{
    return file_io_uploads_expire(inner_of(base), begun_before_ms, err);
}

static int cached_client_properties(struct file_io *base, const struct file_keys *keys,
                                    struct arena *arena, struct property **out, size_t *count,
                                    struct error *err)
{
    return file_io_client_properties(inner_of(base), keys, arena, out, count, err);
}

static int cached_vend(struct file_io *base, const struct file_scope *scope, int64_t lifetime_ms,
                       struct arena *arena, struct file_keys *out, struct error *err)
{
    return file_io_vend(inner_of(base), scope, lifetime_ms, arena, out, err);
}

static int cached_sign(struct file_io *base, const struct file_scope *scope,
                       const struct sign_request *request, struct arena *arena,
                       struct sign_reply *out, struct error *err)
{
    return file_io_sign(inner_of(base), scope, request, arena, out, err);
}

static void cached_close(struct file_io *base)
{
    struct file_io_cached *io = cached_of(base);
    file_io_close(io->inner);
    for (size_t i = 0; i < KNOWN_FILES; i++)
        free(io->known[i].location);
    free((char *)(uintptr_t)io->place.ptr);
    (void)pthread_mutex_destroy(&io->lock);
    free(io);
}

static const struct file_io_backend cached_backend = {
    .name = "cached",
    .read = cached_read,
    .write_new = cached_write_new,
    .stat = cached_stat,
    .remove = cached_remove,
    .remove_all = cached_remove_all,
    .list = cached_list,
    .make_directory = cached_make_directory,
    .remove_directory = cached_remove_directory,
    .open = cached_open,
    .create = cached_create,
    .copy = cached_copy,
    .page = cached_page,
    .upload_begin = cached_upload_begin,
    .upload_part = cached_upload_part,
    .upload_parts = cached_upload_parts,
    .upload_complete = cached_upload_complete,
    .upload_abort = cached_upload_abort,
    .uploads_expire = cached_uploads_expire,
    .client_properties = cached_client_properties,
    .vend = cached_vend,
    .sign = cached_sign,
    .close = cached_close,
};

struct file_io *file_io_cached_open(struct file_io *inner, struct read_cache *cache,
                                    struct str place, const struct clock *clock)
{
    struct file_io_cached *io = calloc(1, sizeof(*io));
    if (io == NULL)
        log_fatal("out of memory: the read cache");
    io->backend = cached_backend;
    if (!file_io_can_vend(inner))
        io->backend.vend = NULL;
    if (!file_io_can_sign(inner))
        io->backend.sign = NULL;
    io->base.backend = &io->backend;
    io->inner = inner;
    io->cache = cache;
    io->clock = clock;
    io->place = str_from(strndup(place.ptr, place.len), place.len);
    if (io->place.ptr == NULL)
        log_fatal("out of memory: the read cache");
    (void)pthread_mutex_init(&io->lock, NULL);
    return &io->base;
}
