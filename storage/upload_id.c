/* Ids of uploads: <11 hex digits of ms>-<uuid>-<32 hex digits of the location's sha256>. */
#include "storage/upload_id.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/random.h"
#include "storage/file_stream.h"

#define TIME_DIGITS 11
#define DIGEST_DIGITS 32

static struct str location_digits(struct str location, struct arena *arena)
{
    struct sha256 digest = sha256_of(location);
    return hex_encode(arena, digest.bytes, DIGEST_DIGITS / 2);
}

struct str upload_id_new(struct str location, struct arena *arena)
{
    char uuid[UUID_TEXT_BYTES];
    random_uuid4(&random_system, uuid);
    struct str id = arena_printf(arena, "%0*" PRIx64 "-%s-%.*s", TIME_DIGITS,
                                 (uint64_t)clock_now_ms(&clock_system), uuid,
                                 STR_ARG(location_digits(location, arena)));
    assert(id.len == UPLOAD_ID_BYTES);
    return id;
}

bool upload_id_is_of(struct str id, struct str location, struct arena *arena)
{
    if (id.len != UPLOAD_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] == '\0' || strchr("0123456789abcdef-", id.ptr[i]) == NULL)
            return false;
    return str_ends_with(id, location_digits(location, arena));
}

int64_t upload_id_begun_ms(struct str name)
{
    char digits[TIME_DIGITS + 1];
    if (name.len < UPLOAD_ID_BYTES || name.ptr[TIME_DIGITS] != '-')
        return -1;
    memcpy(digits, name.ptr, TIME_DIGITS);
    digits[TIME_DIGITS] = '\0';
    return (int64_t)strtoull(digits, NULL, 16);
}

int upload_part_number(struct str name)
{
    long long number;
    if (name.len != UPLOAD_PART_NAME_BYTES || !str_to_int64(name, &number))
        return 0;
    return number >= 1 && number <= FILE_PARTS_MAX ? (int)number : 0;
}
