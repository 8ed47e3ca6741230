/* What callers use of file access: checks and metrics around the backend's functions. */
#include "storage/file_io.h"

#include <assert.h>

#include "base/clock.h"
#include "base/metric.h"

static const struct file_io_backend *backend_of(const struct file_io *io)
{
    const struct file_io_backend *backend = io->backend;
    assert(backend->name && backend->read && backend->write_new && backend->exists);
    assert(backend->remove && backend->list && backend->close);
    return backend;
}

/* Counts trouble of the storage itself; a missing or present file is an answer. */
static int counted(int result, const struct error *err)
{
    if (result != 0 && (err->kind == ERR_UNAVAILABLE || err->kind == ERR_INTERNAL))
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
    return counted(result, err);
}

int file_io_write_new(struct file_io *io, struct str location, struct str body, struct error *err)
{
    int64_t started_us = clock_monotonic_us(&clock_system);
    int result = backend_of(io)->write_new(io, location, body, err);
    metric_add(METRIC_STORAGE_WRITES, 1);
    metric_observe(METRIC_STORAGE_WRITE_SECONDS, clock_monotonic_us(&clock_system) - started_us);
    return counted(result, err);
}

int file_io_exists(struct file_io *io, struct str location, bool *out, struct error *err)
{
    return counted(backend_of(io)->exists(io, location, out, err), err);
}

int file_io_remove(struct file_io *io, struct str location, struct error *err)
{
    int result = backend_of(io)->remove(io, location, err);
    metric_add(METRIC_STORAGE_REMOVES, 1);
    return counted(result, err);
}

int file_io_list(struct file_io *io, struct str directory, file_io_list_fn *fn, void *arg,
                 struct error *err)
{
    return counted(backend_of(io)->list(io, directory, fn, arg, err), err);
}

int file_io_make_directory(struct file_io *io, struct str location, struct error *err)
{
    if (backend_of(io)->make_directory == NULL)
        return 0;
    return counted(backend_of(io)->make_directory(io, location, err), err);
}

void file_io_close(struct file_io *io)
{
    backend_of(io)->close(io);
}
