/* Local files: reading, looking, listing. The rules are in file_io_local_private.h. */
#include "storage/file_io_local_private.h"

#include <dirent.h>
#include <stdio.h>

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

/* What changes when another file takes the name: files are replaced whole, never written to. */
static void stat_of(const struct stat *file, struct file_stat *out)
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
                stat_of(&file, out);
            local_close_fd(fd);
        }
    }
    arena_free(arena);
    return result;
}

/* ---- listing --------------------------------------------------------------------------------- */

struct pending { /* a directory still to be listed */
    const char *relative;
    struct pending *next;
};

struct listing {
    struct file_io_local *io;
    struct arena *arena;
    struct pending *pending;
    file_io_list_fn *fn;
    void *arg;
};

/* One name of a directory; false ends the listing. What is neither a regular file nor a directory,
 * and what has no valid location, is passed over. */
static bool list_name(struct listing *listing, int directory, const char *relative,
                      const char *name)
{
    struct stat file;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        fstatat(directory, name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return true;
    bool top = strcmp(relative, ".") == 0;
    struct str path =
        arena_printf(listing->arena, "%s%s%s", top ? "" : relative, top ? "" : "/", name);
    if (S_ISDIR(file.st_mode)) {
        struct pending *child = ARENA_NEW(listing->arena, struct pending);
        *child = (struct pending){path.ptr, listing->pending};
        listing->pending = child;
        return true;
    }
    if (!S_ISREG(file.st_mode))
        return true;
    struct arena *arena = arena_new();
    struct location location;
    struct error invalid;
    bool more = true;
    if (location_parse(location_join(arena, listing->io->root.text, path), arena, &location,
                       &invalid) == 0) {
        struct file_entry entry = {.location = location.text,
                                   .bytes = file.st_size,
                                   .modified_ms = (int64_t)file.st_mtim.tv_sec * 1000 +
                                                  file.st_mtim.tv_nsec / 1000000};
        more = listing->fn(listing->arg, &entry);
    }
    arena_free(arena);
    return more;
}

/* One directory. Returns 0, -1 with errno, or 1 when the caller wants no more. */
static int list_directory(struct listing *listing, const char *relative)
{
    int fd = local_open_beneath(listing->io, relative, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        local_close_fd(fd);
        return -1;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            result = errno == 0 ? 0 : -1;
            break;
        }
        if (!list_name(listing, fd, relative, entry->d_name))
            result = 1;
    }
    int kept = errno;
    (void)closedir(stream);
    errno = kept;
    return result;
}

int local_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
               struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    int result = local_path_parse(io, directory, arena, &path, err);
    if (result == 0) {
        struct pending first = {path.relative, NULL};
        struct listing listing = {io, arena, &first, fn, arg};
        int listed = 0;
        while (listed == 0 && listing.pending != NULL) {
            const char *relative = listing.pending->relative;
            listing.pending = listing.pending->next;
            listed = list_directory(&listing, relative);
        }
        if (listed < 0)
            result = local_open_failed(err, "list", &path, errno);
    }
    arena_free(arena);
    return result;
}
