/* Local files: directories, made so that the files in them are durable. The rules are in
 * file_io_local_private.h. */
#include "storage/file_io_local_private.h"

/* ---- making ----------------------------------------------------------------------------- */

/* Makes the component when it is missing, flushes its name in the parent, and opens it. Another
 * thread or process may have made it just now without having flushed it: hence always the flush.
 */
static int enter_durably(int parent, const char *name)
{
    if (mkdirat(parent, name, 0755) != 0 && errno != EEXIST)
        return -1;
    if (fsync(parent) != 0)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int local_make_directories(int at, const char *relative, struct arena *arena)
{
    int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
    struct str rest = str_cstr(strcmp(relative, ".") == 0 ? "" : relative);
    while (fd >= 0 && rest.len > 0) {
        struct str component = str_cut(&rest, '/');
        if (component.len == 0)
            continue;
        int next = enter_durably(fd, arena_cstr(arena, component));
        local_close_fd(fd);
        fd = next;
    }
    return fd;
}

/* ---- durable ----------------------------------------------------------------------------- */

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
int local_open_durable_directory(struct file_io_local *io, const struct local_path *path,
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
            result = local_write_failed(err, &path, errno);
    }
    arena_free(arena);
    return result;
}

/* Not flushed: after a power loss the directory may be back, as a removed file may. */
int local_remove_directory(struct file_io *base, struct str location, bool *removed,
                           struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct arena *arena = arena_new();
    struct local_path path;
    int result = local_path_parse(io, location, arena, &path, err);
    if (result == 0 && !local_path_is_root(&path)) {
        int parent = local_open_beneath(io, path.directory, O_PATH | O_DIRECTORY);
        bool gone = parent < 0 || unlinkat(parent, path.name, AT_REMOVEDIR) == 0;
        bool fine =
            gone ? parent >= 0 || errno == ENOENT || errno == ENOTDIR
                 : errno == ENOENT || errno == ENOTDIR || errno == ENOTEMPTY || errno == EEXIST;
        *removed = gone && parent >= 0;
        if (!fine)
            result = local_open_failed(err, "remove", &path, errno);
        if (parent >= 0)
            local_close_fd(parent);
    }
    arena_free(arena);
    return result;
}
