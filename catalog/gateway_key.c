/* Keys for the gateway, which prove themselves.
 *
 * 1. Nothing of a token is believed before its MAC was compared, in constant time; only the key's
 *    id is read before, to know which key to compare with.
 * 2. One token has one spelling (base64url_decode takes no other), so that the access key id and
 *    the secret, which derive from the text, are those of exactly one grant.
 * 3. Every field that has no fixed size carries its length, and each HMAC names what it is for: no
 *    MAC over one thing is the MAC over another, here or in server/token.c.
 * 4. A grant that was verified is one that gateway_key_issue wrote: at least one prefix, each empty
 *    or ending in '/'. */
#include "catalog/gateway_key.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "catalog/principals.h"
#include "catalog/warehouse.h"

#define VERSION 1
#define HEAD_BYTES ((size_t)(1 + 8))
#define GRANT_BYTES_MAX ((size_t)20 << 10) /* of the longest locations */
#define TEXT_BYTES_MAX (2 * (HEAD_BYTES + GRANT_BYTES_MAX + SHA256_BYTES))
#define ACCESS_KEY_PREFIX "FIRN"
#define ACCESS_KEY_DIGEST_BYTES 10 /* 16 characters of base32 */
#define FIELD_BYTES_MAX 0xFFFF

struct gateway_keys {
    struct arena *arena;
    struct signing_key_row *rows; /* newest first */
    size_t count;
};

int gateway_keys_open(struct catalog *catalog, struct gateway_keys **out, struct error *err)
{
    struct gateway_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL)
        log_fatal("out of memory");
    keys->arena = arena_new();
    if (catalog_signing_keys(catalog, keys->arena, &keys->rows, &keys->count, err) != 0) {
        gateway_keys_close(keys);
        return -1;
    }
    assert(keys->count > 0);
    *out = keys;
    return 0;
}

void gateway_keys_close(struct gateway_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        explicit_bzero(keys->rows[i].bytes, sizeof(keys->rows[i].bytes));
    arena_free(keys->arena);
    free(keys);
}

/* ---- what is signed, and with what ----------------------------------------------------------- */

static struct sha256 mac(const struct signing_key_row *key, struct str what, struct str over)
{
    const struct str parts[] = {what, over};
    return hmac_sha256_of_parts(str_from((const char *)key->bytes, SIGNING_KEY_BYTES), parts, 2);
}

static struct sha256 token_mac(const struct signing_key_row *key, struct str signed_bytes)
{
    return mac(key, STR("firn gateway token, version 1"), signed_bytes);
}

static struct str secret_of(const struct signing_key_row *key, struct str token,
                            struct arena *arena)
{
    struct sha256 secret = mac(key, STR("firn gateway secret, version 1"), token);
    return base64url_encode(arena, str_from((const char *)secret.bytes, SHA256_BYTES));
}

static struct str access_key_id_of(struct str token, struct arena *arena)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    struct sha256 digest = sha256_of(token);
    char text[ACCESS_KEY_DIGEST_BYTES * 8 / 5];
    uint32_t pending = 0; /* its lowest pending_bits bits are not written yet */
    unsigned pending_bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < ACCESS_KEY_DIGEST_BYTES; i++) {
        pending = pending << 8 | digest.bytes[i];
        for (pending_bits += 8; pending_bits >= 5; pending_bits -= 5)
            text[len++] = digits[pending >> (pending_bits - 5) & 31];
    }
    assert(len == sizeof(text) && pending_bits == 0);
    return arena_printf(arena, ACCESS_KEY_PREFIX "%.*s", (int)len, text);
}

/* ---- the grant as bytes ---------------------------------------------------------------------- */

static void write_number(struct buf *out, int64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_add_char(out, (char)((uint64_t)value >> shift & 0xFF));
}

static void write_field(struct buf *out, struct str field)
{
    assert(field.len <= FIELD_BYTES_MAX);
    buf_add_char(out, (char)(field.len >> 8 & 0xFF));
    buf_add_char(out, (char)(field.len & 0xFF));
    buf_add(out, field);
}

static bool is_prefix(struct str prefix)
{
    return prefix.len == 0 || prefix.ptr[prefix.len - 1] == '/';
}

static void write_grant(struct buf *out, const struct gateway_grant *grant)
{
    assert(grant->prefix_count >= 1 && grant->prefix_count <= GATEWAY_PREFIXES_MAX);
    write_number(out, grant->warehouse_id);
    write_number(out, grant->expires_ms);
    buf_add_char(out, grant->write ? 1 : 0);
    write_field(out, grant->principal);
    buf_add_char(out, (char)grant->prefix_count);
    for (size_t i = 0; i < grant->prefix_count; i++) {
        assert(is_prefix(grant->prefixes[i]));
        write_field(out, grant->prefixes[i]);
    }
}

/* What is left to read; ptr NULL once something was missing. */
static struct str take(struct str *rest, size_t bytes)
{
    if (rest->ptr == NULL || rest->len < bytes) {
        *rest = STR_NONE;
        return STR_NONE;
    }
    struct str taken = str_from(rest->ptr, bytes);
    *rest = str_from(rest->ptr + bytes, rest->len - bytes);
    return taken;
}

static int64_t read_number(struct str *rest, size_t bytes)
{
    struct str taken = take(rest, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.len; i++)
        value = value << 8 | (uint8_t)taken.ptr[i];
    return (int64_t)value;
}

static struct str read_field(struct str *rest)
{
    return take(rest, (size_t)read_number(rest, 2));
}

/* False for what this program did not write: a grant of a newer one. */
static bool read_grant(struct str rest, struct gateway_grant *out)
{
    *out = (struct gateway_grant){0};
    out->warehouse_id = read_number(&rest, 8);
    out->expires_ms = read_number(&rest, 8);
    int64_t write = read_number(&rest, 1);
    out->write = write == 1;
    out->principal = read_field(&rest);
    out->prefix_count = (size_t)read_number(&rest, 1);
    if (rest.ptr == NULL || write > 1 || out->prefix_count < 1 ||
        out->prefix_count > GATEWAY_PREFIXES_MAX)
        return false;
    for (size_t i = 0; i < out->prefix_count; i++) {
        out->prefixes[i] = read_field(&rest);
        if (rest.ptr == NULL || !is_prefix(out->prefixes[i]))
            return false;
    }
    return rest.len == 0;
}

/* ---- issue and open -------------------------------------------------------------------------- */

void gateway_key_issue(const struct gateway_keys *keys, const struct gateway_grant *grant,
                       struct arena *arena, struct file_keys *out)
{
    const struct signing_key_row *key = &keys->rows[0];
    struct buf bytes = BUF_INIT(HEAD_BYTES + GRANT_BYTES_MAX + SHA256_BYTES);
    buf_add_char(&bytes, VERSION);
    write_number(&bytes, key->id);
    write_grant(&bytes, grant);
    struct sha256 signature = token_mac(key, buf_str(&bytes));
    buf_add(&bytes, str_from((const char *)signature.bytes, SHA256_BYTES));
    assert(!bytes.overflowed);
    out->session_token = base64url_encode(arena, buf_str(&bytes));
    out->access_key_id = access_key_id_of(out->session_token, arena);
    out->secret_access_key = secret_of(key, out->session_token, arena);
    out->expires_ms = grant->expires_ms;
    buf_free(&bytes);
}

static const struct signing_key_row *find_key(const struct gateway_keys *keys, int64_t id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->rows[i].id == id)
            return &keys->rows[i];
    return NULL;
}

/* The key that signed the token, and the grant as bytes; NULL when it is none of ours. */
static const struct signing_key_row *verify(const struct gateway_keys *keys, struct str token,
                                            struct arena *arena, struct str *grant)
{
    struct str bytes;
    struct sha256 given;
    if (token.len > TEXT_BYTES_MAX || !base64url_decode(arena, token, &bytes) ||
        bytes.len < HEAD_BYTES + SHA256_BYTES || bytes.ptr[0] != VERSION)
        return NULL;
    struct str signed_bytes = str_from(bytes.ptr, bytes.len - SHA256_BYTES);
    struct str rest = str_skip(signed_bytes, 1);
    const struct signing_key_row *key = find_key(keys, read_number(&rest, 8));
    if (key == NULL)
        return NULL;
    struct sha256 expected = token_mac(key, signed_bytes);
    memcpy(given.bytes, bytes.ptr + signed_bytes.len, SHA256_BYTES);
    *grant = rest;
    return sha256_equal(&expected, &given) ? key : NULL;
}

int gateway_key_open(const struct gateway_keys *keys, struct str access_key_id,
                     struct str session_token, int64_t now_ms, struct arena *arena,
                     struct gateway_grant *out, struct str *secret, struct error *err)
{
    struct str grant;
    const struct signing_key_row *key = verify(keys, session_token, arena, &grant);
    if (key == NULL || !secret_equal(access_key_id_of(session_token, arena), access_key_id) ||
        !read_grant(grant, out))
        return error_set(err, ERR_NOT_AUTHORIZED, "Not authorized: the key is not valid");
    if (out->expires_ms <= now_ms)
        return error_set(err, ERR_FORBIDDEN, "The key has expired");
    *secret = secret_of(key, session_token, arena);
    return 0;
}

struct str gateway_keys_mark(const struct gateway_keys *keys, const struct str *parts,
                             size_t part_count, struct arena *arena)
{
    struct sha256 digest = sha256_of_parts(parts, part_count);
    struct sha256 mark = mac(&keys->rows[keys->count - 1], STR("firn gateway mark, version 1"),
                             str_from((const char *)digest.bytes, SHA256_BYTES));
    return base64url_encode(arena, str_from((const char *)mark.bytes, SHA256_BYTES));
}

bool gateway_grant_covers(const struct gateway_grant *grant, struct str key)
{
    for (size_t i = 0; i < grant->prefix_count; i++) {
        assert(is_prefix(grant->prefixes[i]));
        if (str_starts_with(key, grant->prefixes[i]))
            return true;
    }
    return false;
}

int gateway_grant_make(const struct warehouse *warehouse, struct str prefix, bool write,
                       struct str principal, int64_t expires_ms, struct arena *arena,
                       struct gateway_grant *out, struct error *err)
{
    struct location place;
    struct str bucket = arena_printf(arena, "%.*s/", STR_ARG(warehouse->root.text));
    if (warehouse->access != WAREHOUSE_GATEWAY)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Warehouse %.*s is not served by the gateway",
                         STR_ARG(warehouse->name));
    if (str_starts_with(prefix, bucket))
        prefix = str_skip(prefix, bucket.len);
    while (str_ends_with(prefix, STR("/")))
        prefix.len--;
    struct str below = STR("");
    if (prefix.len > 0) {
        if (location_parse(arena_printf(arena, "%.*s%.*s", STR_ARG(bucket), STR_ARG(prefix)), arena,
                           &place, err) != 0)
            return -1;
        below = arena_printf(arena, "%.*s/", STR_ARG(str_skip(place.path, 1)));
    }
    *out = (struct gateway_grant){
        .warehouse_id = warehouse->id,
        .prefixes = {below},
        .prefix_count = 1,
        .write = write,
        .principal = principal,
        .expires_ms = expires_ms,
    };
    return 0;
}
