/* The text of a token: five numbers of eight bytes, the scope, and an HMAC-SHA256 over all of it
 * with every field length-prefixed.
 *
 * 1. Nothing in a token is believed before its signature was compared, in constant time; only the
 *    key's id is read before, to know which key to compare with.
 * 2. One token has one spelling: base64url_decode takes no other. */
#include "server/token.h"

#include <assert.h>

#define PREFIX "firn_"
#define NUMBERS 5
#define NUMBER_BYTES 8
#define HEAD_BYTES ((size_t)NUMBERS * NUMBER_BYTES)
#define TEXT_BYTES_MAX (sizeof(PREFIX) + (HEAD_BYTES + TOKEN_SCOPE_BYTES_MAX + SHA256_BYTES) * 2)

static void write_number(char *out, int64_t value)
{
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        out[i] = (char)((uint64_t)value >> (56 - 8 * i) & 0xFF);
}

static int64_t read_number(const char *bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        value = value << 8 | (uint8_t)bytes[i];
    return (int64_t)value;
}

/* `head` holds the numbers, one after the other. */
static struct sha256 sign(const char *head, struct str scope, const struct signing_key_row *key)
{
    struct str parts[NUMBERS + 2] = {STR("firn access token, version 1")};
    for (size_t i = 0; i < NUMBERS; i++)
        parts[i + 1] = str_from(head + i * NUMBER_BYTES, NUMBER_BYTES);
    parts[NUMBERS + 1] = scope.ptr == NULL ? STR("") : scope;
    return hmac_sha256_of_parts(str_from((const char *)key->bytes, SIGNING_KEY_BYTES), parts,
                                NUMBERS + 2);
}

struct str token_write(const struct token_claims *claims, const struct signing_key_row *key,
                       struct arena *arena)
{
    char bytes[HEAD_BYTES + TOKEN_SCOPE_BYTES_MAX + SHA256_BYTES];
    const int64_t numbers[NUMBERS] = {key->id, claims->principal_id, claims->principal_version,
                                      claims->issued_ms, claims->expires_ms};
    assert(claims->scope.len <= TOKEN_SCOPE_BYTES_MAX);
    for (size_t i = 0; i < NUMBERS; i++)
        write_number(bytes + i * NUMBER_BYTES, numbers[i]);
    if (claims->scope.len > 0)
        memcpy(bytes + HEAD_BYTES, claims->scope.ptr, claims->scope.len);
    struct sha256 signature = sign(bytes, claims->scope, key);
    memcpy(bytes + HEAD_BYTES + claims->scope.len, signature.bytes, SHA256_BYTES);
    struct str text =
        base64url_encode(arena, str_from(bytes, HEAD_BYTES + claims->scope.len + SHA256_BYTES));
    return arena_printf(arena, PREFIX "%.*s", STR_ARG(text));
}

bool token_read(struct str text, const struct signing_key_row *keys, size_t key_count,
                struct arena *arena, struct token_claims *out)
{
    struct str bytes;
    if (text.len > TEXT_BYTES_MAX || !str_starts_with(text, STR(PREFIX)) ||
        !base64url_decode(arena, str_skip(text, strlen(PREFIX)), &bytes) ||
        bytes.len < HEAD_BYTES + SHA256_BYTES ||
        bytes.len > HEAD_BYTES + TOKEN_SCOPE_BYTES_MAX + SHA256_BYTES)
        return false;
    const struct signing_key_row *key = NULL;
    int64_t key_id = read_number(bytes.ptr);
    for (size_t i = 0; i < key_count; i++)
        if (keys[i].id == key_id)
            key = &keys[i];
    if (key == NULL)
        return false;
    struct str scope = str_from(bytes.ptr + HEAD_BYTES, bytes.len - HEAD_BYTES - SHA256_BYTES);
    struct sha256 expected = sign(bytes.ptr, scope, key), given;
    memcpy(given.bytes, scope.ptr + scope.len, SHA256_BYTES);
    if (!sha256_equal(&expected, &given))
        return false;
    *out = (struct token_claims){
        .principal_id = read_number(bytes.ptr + NUMBER_BYTES),
        .principal_version = read_number(bytes.ptr + 2 * (size_t)NUMBER_BYTES),
        .issued_ms = read_number(bytes.ptr + 3 * (size_t)NUMBER_BYTES),
        .expires_ms = read_number(bytes.ptr + 4 * (size_t)NUMBER_BYTES),
        .scope = scope,
        .key_id = key_id,
    };
    return true;
}
