/* What callers use of file access: checks and metrics around the backend's functions. */
#include "storage/backend.h"

#include <assert.h>

#include "base/clock.h"
#include "base/metric.h"

static const struct file_io_backend *backend_of(const struct file_io *io)
{
    const struct file_io_backend *backend = io->backend;
    assert(backend->name && backend->read && backend->write_new && backend->stat);
    assert(backend->remove && backend->list && backend->close);
    return backend;
}

int file_io_counted(int result, const struct error *err)
{
    if (result != 0 && (err->kind == ERR_UNAVAILABLE || err->kind == ERR_STORAGE_REFUSED ||
                        err->kind == ERR_INTERNAL))
        metric_add(METRIC_STORAGE_ERRORS, 1);
    return result;
}

int file_io_read(struct file_io *io, struct str location, size_t bytes_max, struct buf *out,
                 struct error *err)
{
    size_t len = out->len;
    int result = backend_of(io)->read(io, location, bytes_max, out, err);
    assert(result == 0 || out->len == len); /* all of it or nothing */
    (void)len;
    metric_add(METRIC_STORAGE_READS, 1);
    return file_io_counted(result, err);
}

int file_io_write_new(struct file_io *io, struct str location, struct str body, struct error *err)
{
    int64_t started_us = clock_monotonic_us(&clock_system);
    int result = backend_of(io)->write_new(io, location, body, err);
    metric_add(METRIC_STORAGE_WRITES, 1);
    metric_observe(METRIC_STORAGE_WRITE_SECONDS, clock_monotonic_us(&clock_system) - started_us);
    return file_io_counted(result, err);
}

int file_io_exists(struct file_io *io, struct str location, bool *out, struct error *err)
{
    struct file_stat stat;
    bool found = false;
    *out = false;
    if (file_io_stat(io, location, &found, &stat, err) != 0)
        return -1;
    *out = found && !stat.is_directory;
    return 0;
}

int file_io_stat(struct file_io *io, struct str location, bool *found, struct file_stat *out,
                 struct error *err)
{
    *found = false;
    return file_io_counted(backend_of(io)->stat(io, location, found, out, err), err);
}

int file_io_remove(struct file_io *io, struct str location, struct error *err)
{
    int result = backend_of(io)->remove(io, location, err);
    metric_add(METRIC_STORAGE_REMOVES, 1);
    return file_io_counted(result, err);
}

int file_io_remove_all(struct file_io *io, const struct str *locations, size_t count,
                       struct error *err)
{
    if (backend_of(io)->remove_all != NULL) {
        metric_add(METRIC_STORAGE_REMOVES, (int64_t)count);
        return file_io_counted(io->backend->remove_all(io, locations, count, err), err);
    }
    for (size_t i = 0; i < count; i++)
        if (file_io_remove(io, locations[i], err) != 0)
            return -1;
    return 0;
}

int file_io_list(struct file_io *io, struct str directory, file_io_list_fn *fn, void *arg,
                 struct error *err)
{
    return file_io_counted(backend_of(io)->list(io, directory, fn, arg, err), err);
}

int file_io_make_directory(struct file_io *io, struct str location, struct error *err)
{
    if (backend_of(io)->make_directory == NULL)
        return 0;
    return file_io_counted(backend_of(io)->make_directory(io, location, err), err);
}

int file_io_remove_directory(struct file_io *io, struct str location, bool *removed,
                             struct error *err)
{
    *removed = false;
    if (backend_of(io)->remove_directory == NULL)
        return 0;
    return file_io_counted(backend_of(io)->remove_directory(io, location, removed, err), err);
}

void file_io_close(struct file_io *io)
{
    backend_of(io)->close(io);
}
