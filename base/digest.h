/* Hashes and their spellings, over openssl. Threads: no shared state. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/arena.h"
#include "base/str.h"
#include <stdint.h>

#define SHA256_BYTES 32

struct sha256 {
    uint8_t bytes[SHA256_BYTES];
};

struct sha256 sha256_of(struct str data);
struct sha256 sha256_of_parts(const struct str *parts, size_t count); /* each length-prefixed */

struct str hex_encode(struct arena *arena, const void *bytes, size_t len); /* lower case */
struct str base64url_encode(struct arena *arena, struct str data);         /* no padding */
bool base64url_decode(struct arena *arena, struct str text, struct str *out);

#endif
