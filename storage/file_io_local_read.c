/* Local files: reading and looking. The rules are in file_io_local_private.h. */
#include "storage/file_io_local_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

/* ---- reading --------------------------------------------------------------------------------- */

static int read_whole(int fd, char *out, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = read(fd, out, bytes < IO_BYTES_MAX ? bytes : IO_BYTES_MAX);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO; /* shorter than it said: files do not change */
        if (got <= 0)
            return -1;
        out += got;
        bytes -= (size_t)got;
    }
    return 0;
}

static int read_open_file(int fd, const struct local_path *path, size_t bytes_max, struct buf *out,
                          struct error *err)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return local_unavailable(err, "read", path, errno);
    if (S_ISDIR(file.st_mode))
        return local_not_found(err, path);
    if (!S_ISREG(file.st_mode))
        return local_forbidden(err, path);
    size_t bytes = (size_t)file.st_size;
    if (bytes > bytes_max || bytes > out->bytes_max - out->len)
        return error_set(err, ERR_BODY_TOO_LARGE, "File is larger than %zu bytes: %.*s", bytes_max,
                         STR_ARG(path->location));
    buf_reserve(out, bytes);
    if (read_whole(fd, out->ptr + out->len, bytes) != 0)
        return local_unavailable(err, "read", path, errno);
    out->len += bytes;
    return 0;
}

int local_read(struct file_io *base, struct str location, size_t bytes_max, struct buf *out,
               struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    int result = local_path_parse(io, location, arena, &path, err);
    if (result == 0) {
        int fd = local_open_beneath(io, path.relative, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0) {
            result = read_open_file(fd, &path, bytes_max, out, err);
            local_close_fd(fd);
        } else {
            result = local_open_failed(err, "read", &path, errno);
        }
    }
    arena_free(arena);
    return result;
}

void local_stat_of(const struct stat *file, struct file_stat *out)
{
    bool is_directory = S_ISDIR(file->st_mode);
    *out = (struct file_stat){
        .bytes = is_directory ? 0 : (int64_t)file->st_size,
        .modified_ms = (int64_t)file->st_mtim.tv_sec * 1000 + file->st_mtim.tv_nsec / 1000000,
        .is_directory = is_directory,
    };
    snprintf(out->etag, sizeof(out->etag), "\"%llx-%llx-%llx%08lx\"",
             (unsigned long long)file->st_ino, (unsigned long long)file->st_size,
             (unsigned long long)file->st_mtim.tv_sec, (unsigned long)file->st_mtim.tv_nsec);
}

int local_stat(struct file_io *base, struct str location, bool *found, struct file_stat *out,
               struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    struct stat file;
    *found = false;
    int result = local_path_parse(io, location, arena, &path, err);
    if (result == 0) {
        int fd = local_open_beneath(io, path.relative, O_PATH);
        if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
            result = local_open_failed(err, "look at", &path, errno);
        if (fd >= 0) {
            *found = fstat(fd, &file) == 0 && (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode));
            if (*found)
                local_stat_of(&file, out);
            local_close_fd(fd);
        }
    }
    arena_free(arena);
    return result;
}

/* ---- readers --------------------------------------------------------------------------------- */

struct local_reader {
    struct file_reader base;
    struct arena *arena; /* of the path */
    struct local_path path;
    int fd;
    int64_t done;
};

static int reader_read(struct file_reader *base, void *to, size_t size, size_t *got,
                       struct error *err)
{
    struct local_reader *reader = (struct local_reader *)base;
    int64_t left = base->length - reader->done;
    ssize_t bytes = 0;
    size_t wanted = size < IO_BYTES_MAX ? size : IO_BYTES_MAX;
    if ((int64_t)wanted > left)
        wanted = (size_t)left;
    *got = 0;
    if (wanted == 0)
        return 0;
    do {
        bytes = pread(reader->fd, to, wanted, (off_t)(base->offset + reader->done));
    } while (bytes < 0 && errno == EINTR);
    if (bytes <= 0) /* 0: shorter than it was; files do not change */
        return local_unavailable(err, "read", &reader->path, bytes == 0 ? EIO : errno);
    reader->done += bytes;
    *got = (size_t)bytes;
    return 0;
}

static int reader_fd(const struct file_reader *base)
{
    return ((const struct local_reader *)base)->fd;
}

static void reader_close(struct file_reader *base)
{
    struct local_reader *reader = (struct local_reader *)base;
    if (reader->fd >= 0)
        local_close_fd(reader->fd);
    arena_free(reader->arena);
    free(reader);
}

static const struct file_reader_backend reader_backend = {
    .read = reader_read,
    .fd = reader_fd,
    .close = reader_close,
};

static int reader_open(struct file_io_local *io, struct local_reader *reader, struct error *err)
{
    struct stat file;
    const struct local_path *path = &reader->path;
    reader->fd = local_open_beneath(io, path->relative, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (reader->fd < 0)
        return local_open_failed(err, "read", path, errno);
    if (fstat(reader->fd, &file) != 0)
        return local_unavailable(err, "read", path, errno);
    if (!S_ISREG(file.st_mode))
        return local_forbidden(err, path);
    local_stat_of(&file, &reader->base.stat);
    return 0;
}

int local_open(struct file_io *base, struct str location, int64_t offset, int64_t length,
               struct file_reader **out, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct local_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        log_fatal("out of memory");
    reader->base.backend = &reader_backend;
    reader->arena = arena_new();
    reader->fd = -1;
    if (local_path_parse(io, location, reader->arena, &reader->path, err) != 0 ||
        reader_open(io, reader, err) != 0) {
        reader_close(&reader->base);
        return -1;
    }
    file_reader_cut(&reader->base, offset, length);
    *out = &reader->base;
    return 0;
}
