/* Local files: creating and replacing them durably, copying, removing. The rules are in
 * file_io_local_private.h. */
#include "storage/file_io_local_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>

#include "base/failpoint.h"
#include "base/log.h"

#define DIRECTORY_TRIES 32 /* when somebody removes it, empty, each time */

int local_write_failed(struct error *err, const struct local_path *path, int why)
{
    if (why == EEXIST)
        return error_set(err, ERR_ALREADY_EXISTS, "File already exists: %.*s",
                         STR_ARG(path->location));
    /* A file, or a symlink, where a directory should be; a directory where the file should be */
    if (why == ENOTDIR || why == EISDIR)
        return local_forbidden(err, path);
    if (why == ENOENT) /* the directory was removed meanwhile */
        return local_unavailable(err, "write", path, why);
    return local_open_failed(err, "write", path, why);
}

/* ---- content --------------------------------------------------------------------------------- */

static int write_whole(int fd, struct str body)
{
    while (body.len > 0) {
        ssize_t put = write(fd, body.ptr, body.len < IO_BYTES_MAX ? body.len : IO_BYTES_MAX);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        body = str_skip(body, (size_t)put);
    }
    return 0;
}

/* From the beginning of a file; within the kernel, and without copying where the file system can
 * share blocks. */
static int copy_whole(int to, int from, int64_t bytes)
{
    bool may_share = true;
    off_t at = 0;
    while (bytes > 0) {
        size_t wanted = bytes < (int64_t)IO_BYTES_MAX ? (size_t)bytes : IO_BYTES_MAX;
        ssize_t put = may_share ? copy_file_range(from, &at, to, NULL, wanted, 0)
                                : sendfile(to, from, &at, wanted);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && may_share &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            may_share = false;
            continue;
        }
        if (put == 0)
            errno = EIO; /* shorter than it was */
        if (put <= 0)
            return -1;
        bytes -= put;
    }
    return 0;
}

static int expect(struct local_writer *writer, int64_t bytes, struct error *err)
{
    if (writer->announced != FILE_BYTES_UNKNOWN && bytes > writer->announced - writer->written) {
        writer->failed = true;
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Content is longer than its announced %" PRId64 " bytes: %.*s",
                         writer->announced, STR_ARG(writer->path.location));
    }
    writer->written += bytes;
    return 0;
}

static int put_result(struct local_writer *writer, int result, struct error *err)
{
    writer->failed = writer->failed || result != 0;
    return result == 0 ? 0 : local_write_failed(err, &writer->path, errno);
}

static int writer_write(struct file_writer *base, struct str data, struct error *err)
{
    struct local_writer *writer = (struct local_writer *)base;
    if (expect(writer, (int64_t)data.len, err) != 0)
        return -1;
    return put_result(writer, write_whole(writer->fd, data), err);
}

int local_writer_append(struct local_writer *writer, int from, int64_t bytes, struct error *err)
{
    if (expect(writer, bytes, err) != 0)
        return -1;
    return put_result(writer, copy_whole(writer->fd, from, bytes), err);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Gives the temporary file its name, unless that is taken. */
static int link_new(int directory, const char *temporary, const char *name)
{
    int result = renameat2(directory, temporary, directory, name, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) { /* not on this file system */
        result = linkat(directory, temporary, directory, name, 0);
        if (result == 0)
            (void)unlinkat(directory, temporary, 0);
    }
    return result;
}

static bool condition_holds(const struct local_writer *writer)
{
    struct stat file;
    struct file_stat now;
    if (writer->if_match.len == 0)
        return true;
    if (fstatat(writer->directory, writer->path.name, &file, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(file.st_mode))
        return false;
    local_stat_of(&file, &now);
    return str_equal_cstr(writer->if_match, now.etag);
}

static int give_name(struct local_writer *writer, struct error *err)
{
    const struct local_path *path = &writer->path;
    int result = 0, why = 0;
    (void)pthread_mutex_lock(&writer->io->names_mutex);
    bool holds = condition_holds(writer);
    if (holds && writer->mode == FILE_CREATE)
        result = link_new(writer->directory, writer->temporary, path->name);
    else if (holds)
        result = renameat(writer->directory, writer->temporary, writer->directory, path->name);
    why = errno;
    (void)pthread_mutex_unlock(&writer->io->names_mutex);
    if (!holds)
        return error_set(err, ERR_PRECONDITION_FAILED, "File has changed: %.*s",
                         STR_ARG(path->location));
    if (result != 0)
        return local_write_failed(err, path, why);
    writer->temporary[0] = '\0';
    return 0;
}

/* A name that nobody was told of, and that is not known to be durable. A file that replaced it
 * meanwhile is let alone; what was replaced cannot come back. */
static void take_name_back(const struct local_writer *writer, const struct stat *ours)
{
    struct stat now;
    if (writer->mode != FILE_CREATE)
        return;
    (void)pthread_mutex_lock(&writer->io->names_mutex);
    if (fstatat(writer->directory, writer->path.name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        now.st_ino == ours->st_ino)
        (void)unlinkat(writer->directory, writer->path.name, 0);
    (void)pthread_mutex_unlock(&writer->io->names_mutex);
}

/* ---- writers --------------------------------------------------------------------------------- */

static void writer_abort(struct file_writer *base)
{
    struct local_writer *writer = (struct local_writer *)base;
    if (writer->fd >= 0)
        local_close_fd(writer->fd);
    if (writer->temporary[0] != '\0')
        (void)unlinkat(writer->directory, writer->temporary, 0);
    if (writer->directory >= 0)
        local_close_fd(writer->directory);
    arena_free(writer->arena);
    free(writer);
}

/* The content is durable, under its temporary name. */
static int flush(struct local_writer *writer, struct stat *out, struct error *err)
{
    const struct local_path *path = &writer->path;
    if (writer->failed)
        return local_unavailable(err, "write", path, EIO);
    if (writer->announced != FILE_BYTES_UNKNOWN && writer->written != writer->announced)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Content has %" PRId64 " of its announced %" PRId64 " bytes: %.*s",
                         writer->written, writer->announced, STR_ARG(path->location));
    if (FAILPOINT("storage_write_error"))
        return local_write_failed(err, path, ENOSPC);
    if (fdatasync(writer->fd) != 0 || fstat(writer->fd, out) != 0)
        return local_write_failed(err, path, errno);
    if (FAILPOINT("storage_after_temp"))
        return local_unavailable(err, "write", path, EIO);
    return 0;
}

static int publish(struct local_writer *writer, struct file_stat *out, struct error *err)
{
    struct stat file;
    if (flush(writer, &file, err) != 0 || give_name(writer, err) != 0)
        return -1;
    bool fails = FAILPOINT("storage_after_link");
    if (fails || fsync(writer->directory) != 0) {
        int why = fails ? EIO : errno;
        take_name_back(writer, &file);
        return local_unavailable(err, "write", &writer->path, why);
    }
    local_stat_of(&file, out);
    return 0;
}

static int writer_finish(struct file_writer *base, struct file_stat *out, struct error *err)
{
    int result = publish((struct local_writer *)base, out, err);
    writer_abort(base);
    return result;
}

static const struct file_writer_backend writer_backend = {
    .write = writer_write,
    .finish = writer_finish,
    .abort = writer_abort,
};

/* 0, or -1 with errno. */
static int open_in_directory(struct local_writer *writer, bool make_directory)
{
    struct file_io_local *io = writer->io;
    const struct local_path *path = &writer->path;
    if (writer->directory >= 0)
        local_close_fd(writer->directory);
    writer->directory = make_directory
                            ? local_open_durable_directory(io, path, writer->arena)
                            : local_open_beneath(io, path->directory, O_RDONLY | O_DIRECTORY);
    if (writer->directory < 0)
        return -1;
    (void)snprintf(writer->temporary, sizeof(writer->temporary),
                   FILE_IO_LOCAL_TEMPORARY "%.8s-%" PRIu64, io->tag, ++io->temporaries);
    writer->fd = openat(writer->directory, writer->temporary,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (writer->fd >= 0)
        return 0;
    writer->temporary[0] = '\0';
    return -1;
}

/* Directories go when they are empty, also between our making one and what we put into it. From
 * then on it stays. */
static int open_temporary(struct local_writer *writer, bool make_directory, struct error *err)
{
    const struct local_path *path = &writer->path;
    int result = -1;
    if (FAILPOINT("storage_before_write"))
        return local_unavailable(err, "write", path, EIO);
    errno = ENOENT;
    for (int tries = 0; result != 0 && errno == ENOENT && tries < DIRECTORY_TRIES; tries++) {
        result = open_in_directory(writer, make_directory);
        if (result != 0 && errno == ENOENT && !make_directory)
            return local_not_found(err, path);
    }
    return result == 0 ? 0 : local_write_failed(err, path, errno);
}

int local_writer_open(struct file_io_local *io, struct arena *arena, const struct local_path *path,
                      const struct file_write *write, bool make_directory,
                      struct local_writer **out, struct error *err)
{
    struct local_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        log_fatal("out of memory");
    *writer = (struct local_writer){
        .base.backend = &writer_backend,
        .io = io,
        .arena = arena,
        .path = *path,
        .mode = write->mode,
        .if_match = arena_str(arena, write->if_match),
        .announced = write->bytes,
        .directory = -1,
        .fd = -1,
    };
    if (open_temporary(writer, make_directory, err) != 0) {
        writer_abort(&writer->base);
        return -1;
    }
    *out = writer;
    return 0;
}

static int open_at(struct file_io_local *io, struct str location, const struct file_write *write,
                   struct local_writer **out, struct error *err)
{
    struct local_path path;
    struct arena *arena = arena_new();
    if (local_path_parse_new(io, location, arena, &path, err) == 0)
        return local_writer_open(io, arena, &path, write, true, out, err);
    arena_free(arena);
    return -1;
}

int local_create(struct file_io *base, struct str location, const struct file_write *write,
                 struct file_writer **out, struct error *err)
{
    struct local_writer *writer;
    if (open_at(local_of(base), location, write, &writer, err) != 0)
        return -1;
    *out = &writer->base;
    return 0;
}

int local_write_new(struct file_io *base, struct str location, struct str body, struct error *err)
{
    struct local_writer *writer;
    struct file_stat stat;
    const struct file_write write = {.mode = FILE_CREATE, .bytes = (int64_t)body.len};
    if (open_at(local_of(base), location, &write, &writer, err) != 0)
        return -1;
    if (writer_write(&writer->base, body, err) == 0)
        return writer_finish(&writer->base, &stat, err);
    writer_abort(&writer->base);
    return -1;
}

int local_copy(struct file_io *base, struct str from, struct str to, const struct file_write *write,
               struct file_stat *out, struct error *err)
{
    struct file_reader *reader;
    struct local_writer *writer;
    struct file_write sized = *write;
    if (local_open(base, from, 0, FILE_TO_END, &reader, err) != 0)
        return -1;
    sized.bytes = reader->length;
    int result = open_at(local_of(base), to, &sized, &writer, err);
    if (result == 0) {
        result = local_writer_append(writer, file_reader_fd(reader), reader->length, err);
        if (result == 0)
            result = writer_finish(&writer->base, out, err);
        else
            writer_abort(&writer->base);
    }
    file_reader_close(reader);
    return result;
}

/* ---- removing -------------------------------------------------------------------------------- */

static int remove_from(int directory, const struct local_path *path, struct error *err)
{
    struct stat file;
    if (fstatat(directory, path->name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : local_unavailable(err, "remove", path, errno);
    if (!S_ISREG(file.st_mode))
        return local_forbidden(err, path);
    if (unlinkat(directory, path->name, 0) != 0 && errno != ENOENT)
        return local_unavailable(err, "remove", path, errno);
    return 0;
}

int local_remove(struct file_io *base, struct str location, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    int result = local_path_parse(io, location, arena, &path, err);
    if (result == 0 && local_path_is_root(&path))
        result = local_forbidden(err, &path);
    if (result == 0) {
        int directory = local_open_beneath(io, path.directory, O_PATH | O_DIRECTORY);
        if (directory >= 0) {
            result = remove_from(directory, &path, err);
            local_close_fd(directory);
        } else if (errno != ENOENT && errno != ENOTDIR) {
            result = local_open_failed(err, "remove", &path, errno);
        }
    }
    arena_free(arena);
    return result;
}
