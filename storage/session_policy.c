/* Session policies.
 *
 * 1. What is named in a policy is named literally: a location with a byte that a policy gives a
 *    meaning to is refused, in bucket and key. The only '*' are the ones written here, each behind
 *    a '/' that ends a prefix.
 * 2. No statement names a bucket as a whole but ListBucket, and that under a condition on
 * s3:prefix.
 * 3. A policy is ASCII: other characters are JSON escapes (AWS takes none above U+00FF). */
#include "storage/session_policy.h"

#include <assert.h>

#include "base/buf.h"

static int refuse(const struct location *location, const char *why, struct error *err)
{
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "No keys can be made for a location that %s: %.*s",
                     why, STR_ARG(location->text));
}

static bool has_any(struct str text, const char *bytes)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(bytes, text.ptr[i]) != NULL)
            return true;
    return false;
}

static int check(const struct session_policy *policy, struct error *err)
{
    assert(policy->location_count > 0);
    const struct location *first = &policy->locations[0];
    for (size_t i = 0; i < policy->location_count; i++) {
        const struct location *location = &policy->locations[i];
        if (has_any(location->text, "*?${}\"\\") || has_any(location->authority, ":"))
            return refuse(location, "holds a character that means something in a policy", err);
        if (location->path.len < 2)
            return refuse(location, "is a whole bucket", err);
        if (!str_equal(location->authority, first->authority))
            return refuse(location, "is in another bucket than those beside it", err);
    }
    return 0;
}

static uint32_t code_point(struct str c)
{
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (unsigned char)c.ptr[0] & masks[c.len];
    for (size_t i = 1; i < c.len; i++)
        code = code << 6 | ((unsigned char)c.ptr[i] & 0x3F);
    return code;
}

/* Invariant 3; bytes that JSON gives a meaning to were refused. */
static void add_ascii(struct buf *out, struct str text)
{
    for (size_t i = 0, len; i < text.len; i += len) {
        len = str_utf8_char(str_skip(text, i));
        assert(len > 0); /* a location is UTF-8 */
        struct str c = str_from(text.ptr + i, len);
        uint32_t code = code_point(c);
        if (code < 0x80)
            buf_add(out, c);
        else if (code < 0x10000)
            buf_add_format(out, "\\u%04x", code);
        else
            buf_add_format(out, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                           0xDC00 + ((code - 0x10000) & 0x3FF));
    }
}

static void add_arn(struct buf *out, const struct session_policy *policy)
{
    buf_add_format(out, "\"arn:%.*s:s3:::", STR_ARG(policy->partition));
    add_ascii(out, policy->locations[0].authority);
}

static void add_policy(struct buf *out, const struct session_policy *policy)
{
    buf_add_cstr(out, "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                      "\"Action\":[\"s3:GetObject\"");
    if (policy->write)
        buf_add_cstr(out, ",\"s3:PutObject\",\"s3:DeleteObject\",\"s3:AbortMultipartUpload\","
                          "\"s3:ListMultipartUploadParts\"");
    buf_add_cstr(out, "],\"Resource\":[");
    for (size_t i = 0; i < policy->location_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        add_arn(out, policy);
        add_ascii(out, policy->locations[i].path);
        buf_add_cstr(out, "/*\"");
    }
    buf_add_cstr(out, "]},{\"Effect\":\"Allow\",\"Action\":[\"s3:ListBucket\"],\"Resource\":[");
    add_arn(out, policy);
    buf_add_cstr(out, "\"],\"Condition\":{\"StringLike\":{\"s3:prefix\":[");
    for (size_t i = 0; i < policy->location_count; i++) {
        buf_add_cstr(out, i > 0 ? ",\"" : "\"");
        add_ascii(out, str_skip(policy->locations[i].path, 1));
        buf_add_cstr(out, "/*\"");
    }
    buf_add_cstr(out, "]}}}]}");
}

int session_policy_encode(const struct session_policy *policy, struct arena *arena, struct str *out,
                          struct error *err)
{
    struct buf json = BUF_INIT(SESSION_POLICY_BYTES_MAX);
    if (check(policy, err) != 0)
        return -1;
    add_policy(&json, policy);
    bool fits = !json.overflowed;
    *out = arena_str(arena, buf_str(&json));
    buf_free(&json);
    return fits ? 0 : refuse(&policy->locations[0], "makes the policy too long", err);
}

struct str session_name_of(struct str name, struct arena *arena)
{
    char *out = arena_alloc(arena, SESSION_NAME_BYTES_MAX);
    size_t len = strlen("firn-");
    memcpy(out, "firn-", len);
    for (size_t i = 0; i < name.len && len < SESSION_NAME_BYTES_MAX; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("=,.@_-", c) != NULL);
        out[len++] = plain ? c : '-';
    }
    return str_from(out, len);
}
