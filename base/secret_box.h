/* Secrets at rest: sealed with a key that lies in a file of its own, apart from what it protects.
 * AES-256-GCM, a new nonce for each text; what a text is sealed for (`bound_to`) is authenticated
 * with it, so that it opens nowhere else. Threads: no shared state. */
#ifndef BASE_SECRET_BOX_H
#define BASE_SECRET_BOX_H

#include "base/arena.h"
#include "base/error.h"
#include "base/random.h"
#include <stdint.h>

#define SECRET_KEY_BYTES 32

struct secret_key {
    uint8_t bytes[SECRET_KEY_BYTES];
};

/* The key file: one line of base64url. A missing file is 0 with *found false.
 * Errors: ERR_UNAVAILABLE (cannot be read), ERR_ILLEGAL_ARGUMENT (holds no key). */
MUST_USE int secret_key_read(const char *path, struct secret_key *out, bool *found,
                             struct error *err);

/* Makes the file, mode 0600, durable before it returns; when another process was first, its key is
 * read. Errors: ERR_UNAVAILABLE, and those of reading. */
MUST_USE int secret_key_make(const char *path, const struct random_source *random,
                             struct secret_key *out, struct error *err);

/* Base64url of version, nonce, sealed text and tag. */
struct str secret_seal(const struct secret_key *key, struct str bound_to, struct str text,
                       const struct random_source *random, struct arena *arena);

/* False: another key, another `bound_to`, or not what secret_seal wrote. The text is in the arena:
 * explicit_bzero it. */
bool secret_open(const struct secret_key *key, struct str bound_to, struct str sealed,
                 struct arena *arena, struct str *out);

#endif
