/* Local files: creating them durably, removing them. The rules are in file_io_local_private.h. */
#include "storage/file_io_local_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/failpoint.h"

#define TEMPORARY_BYTES_MAX 64 /* of a temporary name */

/* ---- directories ----------------------------------------------------------------------------- */

static struct directory_id *durable_set(struct file_io_local *io, const struct directory_id *id)
{
    uint64_t hash = (id->inode ^ (id->device << 32)) * 0x9E3779B97F4A7C15u;
    return io->durable[hash >> 32 & (DURABLE_SETS - 1)];
}

static bool is_known_durable(struct file_io_local *io, const struct directory_id *id)
{
    bool known = false;
    (void)pthread_mutex_lock(&io->durable_mutex);
    const struct directory_id *set = durable_set(io, id);
    for (size_t i = 0; i < DURABLE_WAYS && id->inode != 0; i++)
        known = known || (set[i].inode == id->inode && set[i].device == id->device &&
                          set[i].born_ns == id->born_ns);
    (void)pthread_mutex_unlock(&io->durable_mutex);
    return known;
}

static void remember_durable(struct file_io_local *io, const struct directory_id *id)
{
    (void)pthread_mutex_lock(&io->durable_mutex);
    struct directory_id *set = durable_set(io, id);
    memmove(set + 1, set, (DURABLE_WAYS - 1) * sizeof(*set));
    set[0] = *id;
    (void)pthread_mutex_unlock(&io->durable_mutex);
}

static int directory_id_of(int fd, struct directory_id *out)
{
    struct statx directory;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &directory) != 0)
        return -1;
    *out = (struct directory_id){
        .device = (uint64_t)directory.stx_dev_major << 32 | directory.stx_dev_minor,
        .inode = directory.stx_ino,
    };
    if ((directory.stx_mask & STATX_BTIME) != 0)
        out->born_ns =
            directory.stx_btime.tv_sec * 1000000000 + (int64_t)directory.stx_btime.tv_nsec;
    return 0;
}

/* The directory that a new file goes into, itself durable. -1 with errno. */
static int open_durable_directory(struct file_io_local *io, const struct local_path *path,
                                  struct arena *arena)
{
    struct directory_id id;
    int fd = local_open_beneath(io, path->directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0 && errno != ENOENT)
        return -1;
    if (fd >= 0) {
        if (directory_id_of(fd, &id) == 0 && is_known_durable(io, &id))
            return fd;
        local_close_fd(fd);
    }
    fd = local_make_directories(io->root_fd, path->directory, arena);
    if (fd >= 0 && directory_id_of(fd, &id) == 0)
        remember_durable(io, &id);
    return fd;
}

/* ---- writing --------------------------------------------------------------------------------- */

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

/* Content into a new temporary file of the directory, flushed. Leaves nothing on failure. */
static int write_temporary(int directory, const char *temporary, struct str body)
{
    int fd =
        openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int result = write_whole(fd, body);
    if (FAILPOINT("storage_write_error")) {
        errno = ENOSPC;
        result = -1;
    }
    if (result == 0)
        result = fdatasync(fd);
    if (result != 0) {
        int kept = errno;
        (void)unlinkat(directory, temporary, 0);
        errno = kept;
    }
    local_close_fd(fd);
    return result;
}

/* Gives the temporary file its name unless that is taken. On failure neither name is left. */
static int publish(int directory, const char *temporary, const char *name)
{
    int result = renameat2(directory, temporary, directory, name, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) { /* not on this file system */
        result = linkat(directory, temporary, directory, name, 0);
        if (result == 0)
            (void)unlinkat(directory, temporary, 0);
    }
    int kept = errno;
    if (result != 0) {
        (void)unlinkat(directory, temporary, 0);
    } else {
        bool fails = FAILPOINT("storage_after_link");
        result = fails ? -1 : fsync(directory);
        kept = fails ? EIO : errno;
        if (result != 0) /* nobody was told of it */
            (void)unlinkat(directory, name, 0);
    }
    errno = kept;
    return result;
}

static int write_into(struct file_io_local *io, int directory, const struct local_path *path,
                      struct str body)
{
    char temporary[TEMPORARY_BYTES_MAX];
    (void)snprintf(temporary, sizeof(temporary), FILE_IO_LOCAL_TEMPORARY "%.8s-%" PRIu64, io->tag,
                   ++io->temporaries);
    if (write_temporary(directory, temporary, body) != 0)
        return -1;
    if (FAILPOINT("storage_after_temp")) {
        (void)unlinkat(directory, temporary, 0);
        errno = EIO;
        return -1;
    }
    return publish(directory, temporary, path->name);
}

static int write_failed(struct error *err, const struct local_path *path, int why)
{
    if (why == EEXIST)
        return error_set(err, ERR_ALREADY_EXISTS, "File already exists: %.*s",
                         STR_ARG(path->location));
    if (why == ENOTDIR) /* a file, or a symlink, where a directory should be */
        return local_forbidden(err, path);
    if (why == ENOENT) /* the directory was removed meanwhile */
        return local_unavailable(err, "write", path, why);
    return local_open_failed(err, "write", path, why);
}

int local_write_new(struct file_io *base, struct str location, struct str body, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    int result = local_path_parse(io, location, arena, &path, err);
    if (result == 0 && (local_path_is_root(&path) ||
                        str_starts_with(str_cstr(path.name), STR(FILE_IO_LOCAL_TEMPORARY))))
        result = local_forbidden(err, &path);
    if (result == 0 && FAILPOINT("storage_before_write"))
        result = local_unavailable(err, "write", &path, EIO);
    if (result == 0) {
        int directory = open_durable_directory(io, &path, arena);
        if (directory < 0 || write_into(io, directory, &path, body) != 0)
            result = write_failed(err, &path, errno);
        if (directory >= 0)
            local_close_fd(directory);
    }
    arena_free(arena);
    return result;
}

/* ---- directories for others ------------------------------------------------------------------ */

int local_make_directory(struct file_io *base, struct str location, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    int result = local_path_parse(io, location, arena, &path, err);
    if (result == 0) {
        int directory = local_make_directories(io->root_fd, path.relative, arena);
        if (directory >= 0)
            local_close_fd(directory);
        else
            result = write_failed(err, &path, errno);
    }
    arena_free(arena);
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
