/* The doors to what a store can do for clients that go to it themselves. */
#include "storage/backend.h"

#include <assert.h>

int file_io_client_properties(struct file_io *io, const struct file_keys *keys, struct arena *arena,
                              struct property **out, size_t *count, struct error *err)
{
    *out = NULL;
    *count = 0;
    if (io->backend->client_properties == NULL)
        return 0;
    return io->backend->client_properties(io, keys, arena, out, count, err);
}

bool file_io_can_vend(const struct file_io *io)
{
    return io->backend->vend != NULL;
}

bool file_io_can_sign(const struct file_io *io)
{
    return io->backend->sign != NULL;
}

int file_io_vend(struct file_io *io, const struct file_scope *scope, int64_t lifetime_ms,
                 struct arena *arena, struct file_keys *out, struct error *err)
{
    assert(scope->location_count > 0 && lifetime_ms > 0);
    if (!file_io_can_vend(io))
        return error_set(err, ERR_UNSUPPORTED, "This storage has no keys of limited scope");
    return io->backend->vend(io, scope, lifetime_ms, arena, out, err);
}

int file_io_sign(struct file_io *io, const struct file_scope *scope,
                 const struct sign_request *request, struct arena *arena, struct sign_reply *out,
                 struct error *err)
{
    assert(scope->location_count > 0);
    if (!file_io_can_sign(io))
        return error_set(err, ERR_UNSUPPORTED, "This storage has no requests to sign");
    return io->backend->sign(io, scope, request, arena, out, err);
}
