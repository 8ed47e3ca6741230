/* The checksums of the S3 protocol, over bytes that come in pieces. Texts of them are base64 of the
 * big-endian value, as they stand in x-amz-checksum-* and Content-MD5.
 * Threads: a struct s3_checksum belongs to one thread at a time; the rest has no shared state. */
#ifndef SERVER_S3_CHECKSUM_H
#define SERVER_S3_CHECKSUM_H

#include "base/arena.h"
#include "base/str.h"
#include <stdint.h>

/* kind, name of the algorithm, header or trailer, bytes of the value */
#define S3_CHECKSUM_KINDS(X)                                    \
    X(S3_CRC32, "CRC32", "x-amz-checksum-crc32", 4)             \
    X(S3_CRC32C, "CRC32C", "x-amz-checksum-crc32c", 4)          \
    X(S3_CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", 8) \
    X(S3_SHA1, "SHA1", "x-amz-checksum-sha1", 20)               \
    X(S3_SHA256, "SHA256", "x-amz-checksum-sha256", 32)         \
    X(S3_MD5, "MD5", "content-md5", 16)

enum s3_checksum_kind {
#define X(kind, algorithm, header, bytes) kind,
    S3_CHECKSUM_KINDS(X)
#undef X
        S3_CHECKSUM_KIND_COUNT
};

#define S3_CHECKSUM_BYTES_MAX 32
#define S3_CHECKSUM_TEXT_MAX 44 /* of the longest in base64 */

struct s3_checksum {
    enum s3_checksum_kind kind;
    uint64_t crc;
    void *digest; /* EVP_MD_CTX; freed with the arena */
};

/* The kind of a header or trailer of that name in any case; false: it is none. */
bool s3_checksum_kind_of(struct str header, enum s3_checksum_kind *out);
/* The kind of an algorithm's name ("CRC32"), in any case. */
bool s3_checksum_kind_named(struct str algorithm, enum s3_checksum_kind *out);
const char *s3_checksum_header(enum s3_checksum_kind kind);
size_t s3_checksum_bytes(enum s3_checksum_kind kind);

void s3_checksum_begin(struct s3_checksum *sum, enum s3_checksum_kind kind, struct arena *arena);
void s3_checksum_add(struct s3_checksum *sum, struct str data);
/* The last call: the value in base64. */
struct str s3_checksum_end(struct s3_checksum *sum, struct arena *arena);

/* Is it base64 of exactly the bytes such a checksum has? */
bool s3_checksum_is_well_formed(enum s3_checksum_kind kind, struct str text);

#endif
