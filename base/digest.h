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

/* The plain MAC, for the protocols of others. */
struct sha256 hmac_sha256(struct str key, struct str data);

/* HMAC-SHA256 over the parts, each length-prefixed, so that no two lists of parts are one text. */
struct sha256 hmac_sha256_of_parts(struct str key, const struct str *parts, size_t count);

/* The same work whatever differs, and where: for digests of secrets. */
bool sha256_equal(const struct sha256 *a, const struct sha256 *b);
/* The same for texts of one length; other lengths differ at once. */
bool secret_equal(struct str a, struct str b);

struct str hex_encode(struct arena *arena, const void *bytes, size_t len); /* lower case */
struct str base64url_encode(struct arena *arena, struct str data);         /* no padding */
bool base64url_decode(struct arena *arena, struct str text, struct str *out);

#endif
