/* Keys of limited scope, kept until half of their life is left, so that a crowd that loads one
 * table costs the key service one call (contract/reliability.md 3.2 V06). The digest that a key is
 * kept under must cover all that decides what the key may do, and for whom.
 * Threads: all functions from any. Who comes while keys are being fetched waits for that fetch and
 * shares its outcome. */
#ifndef STORAGE_KEY_CACHE_H
#define STORAGE_KEY_CACHE_H

#include "base/digest.h"
#include "storage/access.h"

#define KEY_CACHE_ENTRIES 1024 /* more push out those that expire first */

struct key_cache;

struct key_cache *key_cache_new(void);        /* never NULL */
void key_cache_free(struct key_cache *cache); /* NULL is allowed; nobody may be inside */

typedef int key_fetch_fn(void *arg, struct arena *arena, struct file_keys *out, struct error *err);

/* Keys that expire at most lifetime_ms from now_ms: kept ones, or those that `fetch` brings (when
 * these live longer than asked, what is told is lifetime_ms). */
MUST_USE int key_cache_get(struct key_cache *cache, const struct sha256 *digest, int64_t now_ms,
                           int64_t lifetime_ms, key_fetch_fn *fetch, void *arg, struct arena *arena,
                           struct file_keys *out, struct error *err);

#endif
