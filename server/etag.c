/* Comparing entity tags: a list at commas, each without space, W/ and quotes. Our own tags hold no
 * comma, so that cutting at commas cannot cut one of them. */
#include "server/etag.h"

#include <assert.h>

static struct str unquoted(struct str tag)
{
    tag = str_trim(tag);
    if (str_starts_with(tag, STR("W/")))
        tag = str_skip(tag, 2);
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        tag = str_from(tag.ptr + 1, tag.len - 2);
    return tag;
}

bool etag_matches(struct str if_none_match, const char *etag)
{
    struct str ours = unquoted(str_cstr(etag));
    assert(ours.len > 0);
    while (if_none_match.len > 0) {
        struct str theirs = unquoted(str_cut(&if_none_match, ','));
        if (str_equal(theirs, ours) || str_equal(theirs, STR("*")))
            return true;
    }
    return false;
}
