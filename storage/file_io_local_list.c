/* Local files: listing, all of a directory or by pages. The rules are in file_io_local_private.h.
 */
#include "storage/file_io_local_private.h"

#include <dirent.h>

#include "storage/key_walk.h"

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
    if (top && strcmp(name, LOCAL_UPLOADS) == 0)
        return true;
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
    if (location_parse_file(location_join(arena, listing->io->root.text, path), arena, &location,
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

/* ---- pages ----------------------------------------------------------------------------------- */

struct paging {
    struct file_io_local *io;
    struct arena *names; /* for a look at a name */
};

/* Most names are of these bytes only, and then valid; others are asked about. */
static bool is_valid_name(struct paging *paging, const char *name)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-=.";
    struct location location;
    struct error invalid;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    if (name[strspn(name, plain)] == '\0')
        return true;
    arena_reset(paging->names);
    return location_parse_file(arena_printf(paging->names, "/%s", name), paging->names, &location,
                               &invalid) == 0;
}

/* DT_REG, DT_DIR, or something else that is never shown. */
static unsigned char type_of(int directory, const struct dirent *entry)
{
    struct stat file;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(directory, entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISDIR(file.st_mode) ? DT_DIR : S_ISREG(file.st_mode) ? DT_REG : DT_UNKNOWN;
}

static bool is_shown(struct paging *paging, bool top, const struct dirent *entry)
{
    struct str name = str_cstr(entry->d_name);
    return !str_starts_with(name, STR(FILE_IO_LOCAL_TEMPORARY)) &&
           !(top && str_equal(name, STR(LOCAL_UPLOADS))) && is_valid_name(paging, entry->d_name);
}

static int read_names(struct paging *paging, DIR *stream, bool top, key_name_fn *fn, void *fn_arg)
{
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        unsigned char type = type_of(dirfd(stream), entry);
        const struct key_name name = {str_cstr(entry->d_name), type == DT_DIR, NULL};
        if ((type == DT_DIR || type == DT_REG) && is_shown(paging, top, entry) &&
            !fn(fn_arg, &name))
            return 0;
        errno = 0;
    }
    return errno == 0 ? 0 : -1;
}

static int names_of(void *arg, struct str directory, const struct key_range *range, key_name_fn *fn,
                    void *fn_arg, struct error *err)
{
    struct paging *paging = arg;
    struct str whole = str_from(directory.ptr, directory.len > 0 ? directory.len - 1 : 0);
    const struct local_path path = {.location = paging->io->root.text};
    (void)range; /* names come in no order */
    arena_reset(paging->names);
    const char *relative = whole.len == 0 ? "." : arena_cstr(paging->names, whole);
    int fd = local_open_beneath(paging->io, relative, O_RDONLY | O_DIRECTORY);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    int result = 0, why = errno;
    if (stream != NULL) {
        result = read_names(paging, stream, whole.len == 0, fn, fn_arg);
        why = errno;
        (void)closedir(stream);
    } else if (fd >= 0) {
        local_close_fd(fd);
        result = -1;
    } else if (why != ENOENT && why != ENOTDIR && why != ELOOP && why != EXDEV) {
        result = -1;
    }
    return result == 0 ? 0 : local_unavailable(err, "list", &path, why);
}

static int stat_of(void *arg, struct str key, bool *found, struct file_stat *out, struct error *err)
{
    struct paging *paging = arg;
    struct error invalid;
    arena_reset(paging->names);
    struct str location = location_join(paging->names, paging->io->root.text, key);
    if (local_stat(&paging->io->base, location, found, out, &invalid) != 0) {
        *found = false; /* no location, too long a name, or no plain path any more */
        if (invalid.kind == ERR_UNAVAILABLE) {
            *err = invalid;
            return -1;
        }
    }
    *found = *found && !out->is_directory;
    return 0;
}

int local_page(struct file_io *base, const struct file_page_request *request, struct arena *arena,
               struct file_page *out, struct error *err)
{
    struct paging paging = {local_of(base), arena_new()};
    const struct key_source source = {.names = names_of, .stat = stat_of, .arg = &paging};
    int result = key_walk_page(&source, request, arena, out, err);
    arena_free(paging.names);
    return result;
}
