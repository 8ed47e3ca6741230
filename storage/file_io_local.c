/* Local file access: from a location to a path beneath the root, what errors mean, opening. The
 * rules are in file_io_local_private.h. */
#include "storage/file_io_local_private.h"

#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/log.h"

#define RESOLVE_FLAGS (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define RESOLVE_TRIES 32 /* openat2 says EAGAIN when something was renamed meanwhile */

/* ---- errors ---------------------------------------------------------------------------------- */

int local_unavailable(struct error *err, const char *what, const struct local_path *path, int why)
{
    error_set(err, ERR_UNAVAILABLE, "Cannot %s file: %.*s", what, STR_ARG(path->location));
    return error_detail(err, "%s", strerror(why));
}

int local_not_found(struct error *err, const struct local_path *path)
{
    return error_set(err, ERR_FILE_NOT_FOUND, "Failed to open input stream for file: %.*s",
                     STR_ARG(path->location));
}

int local_forbidden(struct error *err, const struct local_path *path)
{
    return error_set(err, ERR_FORBIDDEN, "Location is not a plain path to a regular file: %.*s",
                     STR_ARG(path->location));
}

/* The error of a path that could not be opened. */
int local_open_failed(struct error *err, const char *what, const struct local_path *path, int why)
{
    switch (why) {
    case ENOENT:
    case ENOTDIR:
        return local_not_found(err, path);
    case ELOOP: /* a symlink */
    case EXDEV: /* out of the root */
    case ENXIO: /* a FIFO or device that nobody serves */
        return local_forbidden(err, path);
    case ENAMETOOLONG:
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Location has a name that is too long: %.*s",
                         STR_ARG(path->location));
    default:
        return local_unavailable(err, what, path, why);
    }
}

/* ---- paths ----------------------------------------------------------------------------------- */

int local_path_parse(struct file_io_local *io, struct str text, struct arena *arena,
                     struct local_path *out, struct error *err)
{
    struct location location;
    if (location_parse_file(text, arena, &location, err) != 0)
        return -1;
    if (!location_contains(&io->root, &location))
        return error_set(err, ERR_FORBIDDEN, "Location is outside of the warehouse: %.*s",
                         STR_ARG(location.text));
    struct str relative = str_skip(location.path, io->root.path.len);
    if (relative.len > 0 && relative.ptr[0] == '/')
        relative = str_skip(relative, 1);
    if (str_equal(relative, STR(LOCAL_UPLOADS)) ||
        str_starts_with(relative, STR(LOCAL_UPLOADS "/")))
        return error_set(err, ERR_FORBIDDEN, "Location is kept for uploads: %.*s",
                         STR_ARG(location.text));
    out->location = location.text;
    out->relative = relative.len == 0 ? "." : arena_cstr(arena, relative);
    const char *slash = strrchr(out->relative, '/');
    out->name = slash == NULL ? out->relative : slash + 1;
    out->directory =
        slash == NULL ? "."
                      : arena_cstr(arena, str_from(relative.ptr, (size_t)(slash - out->relative)));
    return 0;
}

bool local_path_is_root(const struct local_path *path)
{
    return strcmp(path->relative, ".") == 0;
}

int local_path_parse_new(struct file_io_local *io, struct str text, struct arena *arena,
                         struct local_path *out, struct error *err)
{
    if (local_path_parse(io, text, arena, out, err) != 0)
        return -1;
    if (local_path_is_root(out) ||
        str_starts_with(str_cstr(out->name), STR(FILE_IO_LOCAL_TEMPORARY)))
        return local_forbidden(err, out);
    return 0;
}

int local_open_beneath(const struct file_io_local *io, const char *relative, uint64_t flags)
{
    /* No O_NOFOLLOW: with O_PATH that would open a symlink at the end itself; so it is ELOOP. */
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_FLAGS};
    for (int tries = 0; tries < RESOLVE_TRIES; tries++) {
        int fd = (int)syscall(SYS_openat2, io->root_fd, relative, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
    return -1;
}

void local_close_fd(int fd)
{
    int kept = errno;
    (void)close(fd);
    errno = kept;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void local_close(struct file_io *base)
{
    struct file_io_local *io = local_of(base);
    if (io->root_fd >= 0)
        (void)close(io->root_fd);
    (void)pthread_mutex_destroy(&io->durable_mutex);
    (void)pthread_mutex_destroy(&io->names_mutex);
    arena_free(io->arena);
    free(io);
}

static const struct file_io_backend local_backend = {
    .name = "local",
    .read = local_read,
    .write_new = local_write_new,
    .stat = local_stat,
    .remove = local_remove,
    .make_directory = local_make_directory,
    .remove_directory = local_remove_directory,
    .list = local_list,
    .open = local_open,
    .create = local_create,
    .copy = local_copy,
    .page = local_page,
    .upload_begin = local_upload_begin,
    .upload_part = local_upload_part,
    .upload_parts = local_upload_parts,
    .upload_complete = local_upload_complete,
    .upload_abort = local_upload_abort,
    .uploads_expire = local_uploads_expire,
    .close = local_close,
};

/* The root's own path is the operator's word: symlinks in it are followed. */
static int open_root(struct file_io_local *io)
{
    const char *path = arena_cstr(io->arena, io->root.path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    int top = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return -1;
    fd = local_make_directories(top, path + 1, io->arena);
    local_close_fd(top);
    return fd;
}

int file_io_local_open(struct str root, struct file_io **out, struct error *err)
{
    struct file_io_local *io = calloc(1, sizeof(*io));
    if (io == NULL)
        log_fatal("out of memory");
    io->base.backend = &local_backend;
    io->arena = arena_new();
    io->root_fd = -1;
    (void)pthread_mutex_init(&io->durable_mutex, NULL);
    (void)pthread_mutex_init(&io->names_mutex, NULL);
    random_uuid4(&random_system, io->tag);
    int result = location_parse(root, io->arena, &io->root, err);
    if (result == 0 && !str_equal(io->root.scheme, STR("file")))
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a local location: %.*s", STR_ARG(root));
    if (result == 0) {
        io->root_fd = open_root(io);
        int probe = io->root_fd < 0 ? -1 : local_open_beneath(io, ".", O_PATH | O_DIRECTORY);
        if (probe < 0) { /* ENOSYS: Linux before 5.6 */
            error_set(err, ERR_UNAVAILABLE, "Cannot open the directory %.*s", STR_ARG(root));
            result = error_detail(err, "%s", strerror(errno));
        } else {
            local_close_fd(probe);
        }
    }
    if (result != 0) {
        local_close(&io->base);
        return -1;
    }
    *out = &io->base;
    return 0;
}

bool file_io_local_is_temporary(struct str location)
{
    size_t at = location.len;
    while (at > 0 && location.ptr[at - 1] != '/')
        at--;
    return str_starts_with(str_skip(location, at), STR(FILE_IO_LOCAL_TEMPORARY));
}
