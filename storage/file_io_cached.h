/* A file_io in front of another one that keeps what is read by pieces (file_io_open) in a
 * read_cache. Everything else goes through. Files are taken for immutable for
 * FILE_IO_CACHED_TRUST_MS: so long a read is served without asking the store whether the file is
 * still the same one; a write, copy or removal through this file_io is known at once. */
#ifndef STORAGE_FILE_IO_CACHED_H
#define STORAGE_FILE_IO_CACHED_H

#include "storage/read_cache.h"
#include "storage/storage_options.h"

#define FILE_IO_CACHED_TRUST_MS 60000

/* Takes `inner` over and closes it with itself; the cache and the clock are borrowed. `place` tells
 * two stores apart whose locations look alike (endpoint and root). */
struct file_io *file_io_cached_open(struct file_io *inner, struct read_cache *cache,
                                    struct str place, const struct clock *clock);

#endif
