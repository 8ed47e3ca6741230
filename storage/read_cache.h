/* A cache of pieces of immutable files on local disk, for stores that are far away. One cache
 * serves all warehouses of the process; file_io_cached.h puts it in front of a backend.
 *
 * A file is known by a digest of where it lies and of its etag, so a file that was replaced is
 * another one. It is kept in blocks of READ_CACHE_BLOCK_BYTES (the last one shorter), each a file
 * of its own in the cache's directory, with a digest behind the content: what a crash or a power
 * loss left torn is found out at its first use and fetched again. Nothing here is needed: the
 * directory may be wiped while firn is not running, and trouble with it only costs the cache.
 * Threads: all functions from any thread. */
#ifndef STORAGE_READ_CACHE_H
#define STORAGE_READ_CACHE_H

#include "base/digest.h"
#include "base/error.h"
#include <stdint.h>

#define READ_CACHE_BLOCK_BYTES (1 << 20)

struct read_cache;

struct read_cache_block {
    struct sha256 file;
    uint32_t number; /* READ_CACHE_BLOCK_BYTES times this is its offset in the file */
    uint32_t bytes;
};

/* The directory is made when missing, and belongs to one process. What is found there is used
 * again. bytes_max: of all blocks together; the least recently used go first. Errors:
 * ERR_UNAVAILABLE (cannot be made, or another process has it). */
MUST_USE int read_cache_open(const char *directory, int64_t bytes_max, struct read_cache **out,
                             struct error *err);
void read_cache_close(struct read_cache *cache);

/* A descriptor of the block's content (from offset 0, block->bytes long), which the caller closes;
 * or -1: then the caller owes read_cache_fill or read_cache_give_up, and others who want the same
 * block wait until then. With *pass set to true nothing is owed and the store is to be asked. */
int read_cache_get(struct read_cache *cache, const struct read_cache_block *block, bool *pass);

/* Takes the content from `pull`, which gives *got bytes at a time (0: the end) and returns -1 on
 * trouble. A descriptor as above; or -1 when the content could not be had or kept, and *broken
 * tells that it was `pull` that failed. */
typedef int read_cache_pull_fn(void *arg, void *to, size_t size, size_t *got);
int read_cache_fill(struct read_cache *cache, const struct read_cache_block *block,
                    read_cache_pull_fn *pull, void *arg, bool *broken);
void read_cache_give_up(struct read_cache *cache, const struct read_cache_block *block);

#endif
