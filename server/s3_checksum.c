/* CRC-32 is zlib's, the hashes are openssl's. CRC-32C and CRC-64/NVME are computed here, eight
 * bytes a step, from tables that are made once.
 *
 * 1. Both are reflected, begin with all ones and are inverted at the end; what is kept between two
 * pieces is the register, not the inverted value. */
#include "server/s3_checksum.h"

#include "base/log.h"
#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <zlib.h>

#define CRC32C_POLYNOMIAL 0x82f63b78ull
#define CRC64NVME_POLYNOMIAL 0x9a6c9329ac4bc9b5ull
#define SLICES 8

static const struct kind_row {
    const char *algorithm, *header;
    size_t bytes;
} kinds[S3_CHECKSUM_KIND_COUNT] = {
#define X(kind, algorithm, header, bytes) [kind] = {algorithm, header, bytes},
    S3_CHECKSUM_KINDS(X)
#undef X
};

static uint64_t crc32c_table[SLICES][256], crc64_table[SLICES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_table(uint64_t table[SLICES][256], uint64_t polynomial)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ polynomial : crc >> 1;
        table[0][i] = crc;
    }
    for (unsigned i = 0; i < 256; i++)
        for (int slice = 1; slice < SLICES; slice++)
            table[slice][i] = table[slice - 1][i] >> 8 ^ table[0][table[slice - 1][i] & 0xff];
}

static void make_tables(void)
{
    make_table(crc32c_table, CRC32C_POLYNOMIAL);
    make_table(crc64_table, CRC64NVME_POLYNOMIAL);
}

static uint64_t crc_add(uint64_t table[SLICES][256], uint64_t crc, struct str data)
{
    const unsigned char *at = (const unsigned char *)data.ptr;
    size_t left = data.len;
    for (; left >= SLICES; left -= SLICES, at += SLICES) {
        uint64_t word = crc;
        for (int i = 0; i < SLICES; i++)
            word ^= (uint64_t)at[i] << (8 * i);
        crc = 0;
        for (int i = 0; i < SLICES; i++)
            crc ^= table[SLICES - 1 - i][word >> (8 * i) & 0xff];
    }
    for (; left > 0; left--, at++)
        crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xff];
    return crc;
}

bool s3_checksum_kind_of(struct str header, enum s3_checksum_kind *out)
{
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++)
        if (str_equal_ignore_case(header, str_cstr(kinds[i].header))) {
            *out = (enum s3_checksum_kind)i;
            return true;
        }
    return false;
}

bool s3_checksum_kind_named(struct str algorithm, enum s3_checksum_kind *out)
{
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++)
        if (i != S3_MD5 && str_equal_ignore_case(algorithm, str_cstr(kinds[i].algorithm))) {
            *out = (enum s3_checksum_kind)i;
            return true;
        }
    return false;
}

const char *s3_checksum_header(enum s3_checksum_kind kind)
{
    return kinds[kind].header;
}

size_t s3_checksum_bytes(enum s3_checksum_kind kind)
{
    return kinds[kind].bytes;
}

static void free_digest(void *digest)
{
    EVP_MD_CTX_free(digest);
}

void s3_checksum_begin(struct s3_checksum *sum, enum s3_checksum_kind kind, struct arena *arena)
{
    pthread_once(&tables_once, make_tables);
    *sum = (struct s3_checksum){.kind = kind};
    const EVP_MD *md = NULL;
    switch (kind) {
    case S3_CRC32:
        return;
    case S3_CRC32C:
        sum->crc = UINT32_MAX;
        return;
    case S3_CRC64NVME:
        sum->crc = UINT64_MAX;
        return;
    case S3_SHA1:
        md = EVP_sha1();
        break;
    case S3_SHA256:
        md = EVP_sha256();
        break;
    case S3_MD5:
    case S3_CHECKSUM_KIND_COUNT:
        md = EVP_md5();
        break;
    }
    sum->digest = EVP_MD_CTX_new();
    if (sum->digest == NULL || EVP_DigestInit_ex(sum->digest, md, NULL) != 1)
        log_fatal("no digest");
    arena_defer(arena, free_digest, sum->digest);
}

void s3_checksum_add(struct s3_checksum *sum, struct str data)
{
    if (data.len == 0)
        return;
    switch (sum->kind) {
    case S3_CRC32:
        sum->crc = crc32_z((uLong)sum->crc, (const Bytef *)data.ptr, data.len);
        break;
    case S3_CRC32C:
        sum->crc = crc_add(crc32c_table, sum->crc, data);
        break;
    case S3_CRC64NVME:
        sum->crc = crc_add(crc64_table, sum->crc, data);
        break;
    default:
        if (EVP_DigestUpdate(sum->digest, data.ptr, data.len) != 1)
            log_fatal("digest failed");
    }
}

struct str s3_checksum_end(struct s3_checksum *sum, struct arena *arena)
{
    unsigned char value[EVP_MAX_MD_SIZE];
    size_t bytes = kinds[sum->kind].bytes;
    if (sum->digest != NULL) {
        if (EVP_DigestFinal_ex(sum->digest, value, NULL) != 1)
            log_fatal("digest failed");
    } else {
        uint64_t crc = sum->kind == S3_CRC32 ? sum->crc : ~sum->crc;
        for (size_t i = 0; i < bytes; i++)
            value[i] = (unsigned char)(crc >> (8 * (bytes - 1 - i)));
    }
    assert(bytes <= S3_CHECKSUM_BYTES_MAX);
    char *text = arena_alloc(arena, S3_CHECKSUM_TEXT_MAX + 1);
    int len = EVP_EncodeBlock((unsigned char *)text, value, (int)bytes);
    return str_from(text, (size_t)len);
}

static bool is_base64_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

bool s3_checksum_is_well_formed(enum s3_checksum_kind kind, struct str text)
{
    size_t bytes = kinds[kind].bytes, padding = (3 - bytes % 3) % 3;
    if (text.len != (bytes + 2) / 3 * 4)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (i < text.len - padding ? !is_base64_char(text.ptr[i]) : text.ptr[i] != '=')
            return false;
    return true;
}
