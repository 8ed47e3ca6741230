/* SHA-256 over openssl; hex and base64url in plain C. */
#include "base/digest.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

#include "base/log.h"

static EVP_MD *sha256_algorithm; /* fetched once: a fetch costs more than a short digest */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256_algorithm == NULL)
        log_fatal("openssl has no SHA-256");
}

struct sha256 sha256_of(struct str data)
{
    struct sha256 out;
    pthread_once(&sha256_once, fetch_sha256);
    const char *bytes = data.ptr == NULL ? "" : data.ptr;
    if (EVP_Digest(bytes, data.len, out.bytes, NULL, sha256_algorithm, NULL) != 1)
        log_fatal("SHA-256 failed");
    return out;
}

static void write_length(uint8_t out[8], size_t length) /* big-endian */
{
    for (size_t byte = 0; byte < 8; byte++)
        out[byte] = (uint8_t)((uint64_t)length >> (56 - 8 * byte));
}

struct sha256 sha256_of_parts(const struct str *parts, size_t count)
{
    struct sha256 out;
    pthread_once(&sha256_once, fetch_sha256);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestInit_ex2(context, sha256_algorithm, NULL) == 1;
    for (size_t i = 0; ok && i < count; i++) {
        uint8_t length[8];
        write_length(length, parts[i].len);
        ok = EVP_DigestUpdate(context, length, sizeof(length)) == 1 &&
             EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(context, out.bytes, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        log_fatal("SHA-256 failed");
    return out;
}

static EVP_MAC *hmac_algorithm;
static pthread_once_t hmac_once = PTHREAD_ONCE_INIT;

static void fetch_hmac(void)
{
    hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (hmac_algorithm == NULL)
        log_fatal("openssl has no HMAC");
}

struct sha256 hmac_sha256(struct str key, struct str data)
{
    struct sha256 out;
    unsigned int written = 0;
    const char *key_bytes = key.ptr == NULL ? "" : key.ptr;
    const unsigned char *bytes = (const unsigned char *)(data.ptr == NULL ? "" : data.ptr);
    assert(key.len <= INT_MAX);
    if (HMAC(EVP_sha256(), key_bytes, (int)key.len, bytes, data.len, out.bytes, &written) == NULL ||
        written != sizeof(out.bytes))
        log_fatal("HMAC-SHA256 failed");
    return out;
}

struct sha256 hmac_sha256_of_parts(struct str key, const struct str *parts, size_t count)
{
    struct sha256 out;
    char digest_name[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest_name, 0),
                                 OSSL_PARAM_construct_end()};
    pthread_once(&hmac_once, fetch_hmac);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac_algorithm);
    bool ok = context != NULL &&
              EVP_MAC_init(context, (const unsigned char *)key.ptr, key.len, params) == 1;
    for (size_t i = 0; ok && i < count; i++) {
        uint8_t length[8];
        write_length(length, parts[i].len);
        ok = EVP_MAC_update(context, length, sizeof(length)) == 1 &&
             EVP_MAC_update(context, (const unsigned char *)parts[i].ptr, parts[i].len) == 1;
    }
    size_t written = 0;
    ok = ok && EVP_MAC_final(context, out.bytes, &written, sizeof(out.bytes)) == 1;
    EVP_MAC_CTX_free(context);
    if (!ok || written != sizeof(out.bytes))
        log_fatal("HMAC-SHA256 failed");
    return out;
}

bool sha256_equal(const struct sha256 *a, const struct sha256 *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, SHA256_BYTES) == 0;
}

bool secret_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

struct str hex_encode(struct arena *arena, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    char *text = arena_alloc_array(arena, len + 1, 2);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 0x0F];
    }
    return str_from(text, 2 * len);
}

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct str base64url_encode(struct arena *arena, struct str data)
{
    char *text = arena_alloc_array(arena, data.len / 3 + 2, 4);
    size_t len = 0;
    uint32_t pending = 0; /* its lowest pending_bits bits are not written yet */
    unsigned pending_bits = 0;
    for (size_t i = 0; i < data.len; i++) {
        pending = pending << 8 | (uint8_t)data.ptr[i];
        for (pending_bits += 8; pending_bits >= 6; pending_bits -= 6)
            text[len++] = base64url_digits[pending >> (pending_bits - 6) & 63];
    }
    if (pending_bits > 0)
        text[len++] = base64url_digits[pending << (6 - pending_bits) & 63];
    return str_from(text, len);
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Only what base64url_encode writes is accepted: no padding, no spaces, unused bits zero. So one
 * value has one spelling. */
bool base64url_decode(struct arena *arena, struct str text, struct str *out)
{
    char *data = arena_alloc_array(arena, text.len / 4 + 1, 3);
    size_t len = 0;
    uint32_t pending = 0;
    unsigned pending_bits = 0;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_value(text.ptr[i]);
        if (value < 0)
            return false;
        pending = pending << 6 | (uint32_t)value;
        pending_bits += 6;
        if (pending_bits >= 8) {
            pending_bits -= 8;
            data[len++] = (char)(pending >> pending_bits & 0xFF);
        }
    }
    if ((pending & ((1u << pending_bits) - 1)) != 0)
        return false;
    *out = str_from(data, len);
    return true;
}
