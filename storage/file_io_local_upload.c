/* Local files: multipart uploads. An upload is a directory in LOCAL_UPLOADS, called by its id. A
 * part is a file in it, called by its number. The rules are in file_io_local_private.h; here:
 *
 * 1. An id is taken for a name only after its form was checked.
 * 2. An upload ends by its directory getting another name: from then on the id is unknown; what a
 *    crash leaves of it is swept.
 * 3. Parts are copied into a temporary file beside the target, which gets its name as any other;
 *    only then the upload ends. A crash between leaves one that can be completed again. */
#include "storage/file_io_local_private.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/upload_id.h"

#define ENDED_SUFFIX ".ended"

struct staging {
    struct local_path path; /* of the location */
    const char *relative;   /* to the root */
    int fd;
};

/* ---- finding one ------------------------------------------------------------------------------
 */

static int unknown_upload(struct error *err, struct str location)
{
    return error_set(err, ERR_FILE_NOT_FOUND, "No such upload of %.*s", STR_ARG(location));
}

static int staging_open(struct file_io_local *io, struct str location, struct str id,
                        struct arena *arena, struct staging *out, struct error *err)
{
    if (local_path_parse_new(io, location, arena, &out->path, err) != 0)
        return -1;
    if (!upload_id_is_of(id, out->path.location, arena))
        return unknown_upload(err, out->path.location);
    out->relative = arena_printf(arena, LOCAL_UPLOADS "/%.*s", STR_ARG(id)).ptr;
    out->fd = local_open_beneath(io, out->relative, O_RDONLY | O_DIRECTORY);
    if (out->fd < 0 && errno == ENOENT)
        return unknown_upload(err, out->path.location);
    return out->fd < 0 ? local_unavailable(err, "open the upload of", &out->path, errno) : 0;
}

int local_upload_begin(struct file_io *base, struct str location, struct arena *arena,
                       struct str *id, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct local_path path;
    if (local_path_parse_new(io, location, arena, &path, err) != 0)
        return -1;
    *id = upload_id_new(path.location, arena);
    const char *relative = arena_printf(arena, LOCAL_UPLOADS "/%.*s", STR_ARG(*id)).ptr;
    int fd = local_make_directories(io->root_fd, relative, arena);
    if (fd < 0)
        return local_write_failed(err, &path, errno);
    local_close_fd(fd);
    return 0;
}

/* ---- parts ----------------------------------------------------------------------------------- */

int local_upload_part(struct file_io *base, struct str location, struct str id, int number,
                      const struct file_write *write, struct file_writer **out, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct local_writer *writer;
    struct staging staging;
    struct file_write part = *write;
    struct arena *arena = arena_new();
    if (staging_open(io, location, id, arena, &staging, err) != 0) {
        arena_free(arena);
        return -1;
    }
    local_close_fd(staging.fd);
    struct str relative = arena_printf(arena, "%s/" UPLOAD_PART_NAME, staging.relative, number);
    const struct local_path path = {
        .location = staging.path.location,
        .relative = relative.ptr,
        .directory = staging.relative,
        .name = relative.ptr + relative.len - UPLOAD_PART_NAME_BYTES,
    };
    part.mode = FILE_REPLACE;
    part.if_match = STR_NONE;
    if (local_writer_open(io, arena, &path, &part, false, &writer, err) != 0)
        return -1;
    *out = &writer->base;
    return 0;
}

static int compare_parts(const void *a, const void *b)
{
    return ((const struct file_part *)a)->number - ((const struct file_part *)b)->number;
}

static bool part_of(int directory, const char *name, struct file_part *out)
{
    struct stat file;
    struct file_stat stat;
    *out = (struct file_part){.number = upload_part_number(str_cstr(name))};
    if (out->number == 0 || fstatat(directory, name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    local_stat_of(&file, &stat);
    memcpy(out->etag, stat.etag, sizeof(out->etag));
    out->bytes = stat.bytes;
    out->modified_ms = stat.modified_ms;
    return true;
}

int local_upload_parts(struct file_io *base, struct str location, struct str id,
                       struct arena *arena, struct file_part **out, size_t *count,
                       struct error *err)
{
    struct staging staging;
    const struct dirent *entry;
    *count = 0;
    if (staging_open(local_of(base), location, id, arena, &staging, err) != 0)
        return -1;
    DIR *stream = fdopendir(staging.fd);
    if (stream == NULL) {
        local_close_fd(staging.fd);
        return local_unavailable(err, "list the upload of", &staging.path, errno);
    }
    *out = ARENA_ARRAY(arena, struct file_part, FILE_PARTS_MAX);
    errno = 0;
    while (*count < FILE_PARTS_MAX && (entry = readdir(stream)) != NULL)
        if (part_of(staging.fd, entry->d_name, &(*out)[*count]))
            ++*count;
    int why = errno;
    (void)closedir(stream);
    if (*count < FILE_PARTS_MAX && why != 0)
        return local_unavailable(err, "list the upload of", &staging.path, why);
    qsort(*out, *count, sizeof(**out), compare_parts);
    return 0;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void remove_staging(int uploads, const char *name)
{
    int fd = openat(uploads, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (stream == NULL) {
        if (fd >= 0)
            local_close_fd(fd);
        return;
    }
    while ((entry = readdir(stream)) != NULL)
        (void)unlinkat(fd, entry->d_name, 0); /* '.' and '..' are directories */
    (void)closedir(stream);
    (void)unlinkat(uploads, name, AT_REMOVEDIR); /* else the next sweep's */
}

/* Makes the id unknown, durably, and removes the parts. */
static int end_upload(struct file_io_local *io, const char *name, const struct local_path *path,
                      struct error *err)
{
    char ended[UPLOAD_ID_BYTES + sizeof(ENDED_SUFFIX)];
    int uploads = local_open_beneath(io, LOCAL_UPLOADS, O_RDONLY | O_DIRECTORY);
    if (uploads < 0)
        return local_unavailable(err, "end the upload of", path, errno);
    (void)snprintf(ended, sizeof(ended), "%s" ENDED_SUFFIX, name);
    int result = 0;
    if (renameat(uploads, name, uploads, ended) != 0)
        result = errno == ENOENT ? unknown_upload(err, path->location)
                                 : local_unavailable(err, "end the upload of", path, errno);
    else if (fsync(uploads) != 0)
        result = local_unavailable(err, "end the upload of", path, errno);
    if (result == 0)
        remove_staging(uploads, ended);
    local_close_fd(uploads);
    return result;
}

int local_upload_abort(struct file_io *base, struct str location, struct str id, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct staging staging;
    struct arena *arena = arena_new();
    int result = staging_open(io, location, id, arena, &staging, err);
    if (result == 0) {
        local_close_fd(staging.fd);
        result = end_upload(io, arena_cstr(arena, id), &staging.path, err);
    }
    arena_free(arena);
    return result;
}

/* Is every part there, and are they in order? */
static int check_parts(const struct staging *staging, const struct file_part *parts, size_t count,
                       int64_t *bytes, struct error *err)
{
    *bytes = 0;
    if (count == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Upload has no parts: %.*s",
                         STR_ARG(staging->path.location));
    for (size_t i = 0; i < count; i++) {
        char name[16];
        struct file_part now;
        if (i > 0 && parts[i].number <= parts[i - 1].number)
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Parts are not in ascending order: %.*s",
                             STR_ARG(staging->path.location));
        (void)snprintf(name, sizeof(name), UPLOAD_PART_NAME, parts[i].number);
        if (!part_of(staging->fd, name, &now) || strcmp(now.etag, parts[i].etag) != 0)
            return error_set(err, ERR_ILLEGAL_ARGUMENT, "Part %d is missing or another: %.*s",
                             parts[i].number, STR_ARG(staging->path.location));
        *bytes += now.bytes;
    }
    return 0;
}

static int append_part(struct local_writer *writer, const struct staging *staging,
                       const struct file_part *part, struct error *err)
{
    char name[16];
    struct stat file;
    struct file_stat stat = {0};
    (void)snprintf(name, sizeof(name), UPLOAD_PART_NAME, part->number);
    int fd = openat(staging->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return local_unavailable(err, "read a part of", &staging->path, errno);
    if (fstat(fd, &file) == 0)
        local_stat_of(&file, &stat);
    int result = 0;
    if (strcmp(stat.etag, part->etag) != 0)
        result = error_set(err, ERR_ILLEGAL_ARGUMENT, "Part %d is missing or another: %.*s",
                           part->number, STR_ARG(staging->path.location));
    else
        result = local_writer_append(writer, fd, stat.bytes, err);
    local_close_fd(fd);
    return result;
}

/* All parts as one file under its name. */
static int join_parts(struct file_io *base, const struct staging *staging,
                      const struct file_part *parts, size_t count, enum write_mode mode,
                      struct file_stat *out, struct error *err)
{
    struct file_writer *writer;
    struct file_write write = {.mode = mode};
    if (check_parts(staging, parts, count, &write.bytes, err) != 0 ||
        local_create(base, staging->path.location, &write, &writer, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (append_part((struct local_writer *)writer, staging, &parts[i], err) != 0) {
            file_writer_abort(writer);
            return -1;
        }
    return file_writer_finish(writer, out, err);
}

int local_upload_complete(struct file_io *base, struct str location, struct str id,
                          const struct file_part *parts, size_t count, enum write_mode mode,
                          struct file_stat *out, struct error *err)
{
    struct file_io_local *io = local_of(base);
    struct staging staging;
    struct arena *arena = arena_new();
    int result = staging_open(io, location, id, arena, &staging, err);
    if (result == 0) {
        struct error ignored; /* it is written; the sweep finds the rest */
        result = join_parts(base, &staging, parts, count, mode, out, err);
        local_close_fd(staging.fd);
        if (result == 0)
            (void)!end_upload(io, arena_cstr(arena, id), &staging.path, &ignored);
    }
    arena_free(arena);
    return result;
}

int local_uploads_expire(struct file_io *base, int64_t begun_before_ms, struct error *err)
{
    struct file_io_local *io = local_of(base);
    const struct dirent *entry;
    const struct local_path path = {.location = io->root.text};
    int fd = local_open_beneath(io, LOCAL_UPLOADS, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno == ENOENT ? 0 : local_unavailable(err, "sweep uploads of", &path, errno);
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        local_close_fd(fd);
        return local_unavailable(err, "sweep uploads of", &path, errno);
    }
    while ((entry = readdir(stream)) != NULL) {
        int64_t begun = upload_id_begun_ms(str_cstr(entry->d_name));
        struct error ignored;
        if (begun < 0)
            continue;
        if (strlen(entry->d_name) > UPLOAD_ID_BYTES)
            remove_staging(fd, entry->d_name); /* one that ended */
        else if (begun < begun_before_ms)
            (void)!end_upload(io, entry->d_name, &path, &ignored);
    }
    (void)closedir(stream);
    return 0;
}
