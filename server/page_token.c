/* Page tokens: base64url over one byte for the kind and the name. */
#include "server/page_token.h"

#include "base/digest.h"
#include <assert.h>

struct str page_token_make(enum page_kind kind, struct str last_name, struct arena *arena)
{
    assert(last_name.len > 0);
    return base64url_encode(arena, arena_printf(arena, "%c%.*s", (char)kind, STR_ARG(last_name)));
}

int page_token_read(struct str token, enum page_kind kind, struct arena *arena,
                    struct str *last_name, struct error *err)
{
    struct str plain;
    if (!base64url_decode(arena, token, &plain) || plain.len < 2 || plain.ptr[0] != (char)kind ||
        !str_is_utf8(plain))
        return error_set(err, ERR_BAD_REQUEST, "Invalid pageToken: not one this list has given");
    *last_name = str_skip(plain, 1);
    return 0;
}
