/* Requests and scopes.
 *
 * 1. What is not known to be inside is outside: operations, places, elements of a body.
 * 2. Containment is by bytes, behind a prefix that ends in '/'; what comes behind it cannot leave
 *    again, for no reader of paths, even one that decodes once too often.
 * 3. Every key that a request names is judged: its own, the source of a copy as one to be read,
 *    those in the body as ones to be removed.
 * 4. A guarded key is for reading only. */
#include "storage/s3_scope.h"

#include <assert.h>

#include "base/location.h"
#include "base/xml.h"

#define ELEMENTS_MAX 4096

static int key_of(struct str text, struct str bucket, struct arena *arena, struct str *out,
                  struct error *err)
{
    struct location location;
    if (location_parse(text, arena, &location, err) != 0)
        return -1;
    if (!str_equal(location.authority, bucket))
        return error_set(err, ERR_FORBIDDEN, "Location is not in the store's bucket: %.*s",
                         STR_ARG(location.text));
    *out = str_skip(location.path, 1);
    return 0;
}

int s3_scope_make(const struct file_scope *scope, struct str bucket, struct arena *arena,
                  struct s3_scope *out, struct error *err)
{
    struct str *prefixes = ARENA_ARRAY(arena, struct str, scope->location_count);
    struct str *guarded = ARENA_ARRAY(arena, struct str, scope->guarded_count);
    for (size_t i = 0; i < scope->location_count; i++) {
        struct str key;
        if (key_of(scope->locations[i], bucket, arena, &key, err) != 0)
            return -1;
        if (key.len == 0)
            return error_set(err, ERR_FORBIDDEN, "Location is a whole bucket: %.*s",
                             STR_ARG(scope->locations[i]));
        prefixes[i] = arena_printf(arena, "%.*s/", STR_ARG(key));
    }
    size_t guarded_count = 0;
    for (size_t i = 0; i < scope->guarded_count; i++) {
        struct error elsewhere; /* a file that no request can name needs no guard */
        if (key_of(scope->guarded[i], bucket, arena, &guarded[guarded_count], &elsewhere) == 0)
            guarded_count++;
    }
    *out = (struct s3_scope){.bucket = bucket,
                             .prefixes = prefixes,
                             .prefix_count = scope->location_count,
                             .guarded = guarded,
                             .guarded_count = guarded_count,
                             .write = scope->write,
                             .removes_only = scope->removes_only};
    return 0;
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool is_dots(struct str segment)
{
    return str_equal(segment, STR(".")) || str_equal(segment, STR(".."));
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7F || c == '\\')
            return true;
    }
    return false;
}

/* Without dots or empty segments; the last may be empty, or (of a listing) only begun. */
static bool is_straight(struct str rest)
{
    if (has_control(rest))
        return false;
    while (rest.len > 0) {
        struct str segment = str_cut(&rest, '/');
        if (is_dots(segment) || segment.len == 0)
            return false;
    }
    return true;
}

/* Invariant 2: the same as some careless reader would see it, who takes %2F for a slash. */
static bool is_straight_decoded(struct str rest)
{
    char bytes[S3_KEY_BYTES_MAX];
    size_t len = 0;
    assert(rest.len <= sizeof(bytes));
    for (size_t i = 0; i < rest.len; i++) {
        static const char digits[] = "0123456789abcdef";
        int c = (unsigned char)rest.ptr[i];
        if (c == '%' && rest.len - i >= 3) {
            const char *high = memchr(digits, rest.ptr[i + 1] | 0x20, 16);
            const char *low = memchr(digits, rest.ptr[i + 2] | 0x20, 16);
            if (high != NULL && low != NULL) {
                c = (int)((high - digits) * 16 + (low - digits));
                i += 2;
            }
        }
        bytes[len++] = (char)c;
    }
    struct str decoded = str_from(bytes, len);
    if (len > 0 && memchr(bytes, '\0', len) != NULL)
        return false;
    while (decoded.len > 0)
        if (is_dots(str_cut(&decoded, '/')))
            return false;
    return true;
}

/* What comes behind the prefix that the text begins with; STR_NONE when there is none. */
static struct str behind_prefix(const struct s3_scope *scope, struct str text)
{
    for (size_t i = 0; i < scope->prefix_count; i++)
        if (str_starts_with(text, scope->prefixes[i]))
            return str_skip(text, scope->prefixes[i].len);
    return STR_NONE;
}

static bool covers(const struct s3_scope *scope, struct str text, size_t bytes_min)
{
    struct str rest = text.len <= S3_KEY_BYTES_MAX ? behind_prefix(scope, text) : STR_NONE;
    return rest.ptr != NULL && rest.len >= bytes_min && is_straight(rest) &&
           is_straight_decoded(rest);
}

bool s3_scope_covers(const struct s3_scope *scope, struct str key)
{
    return covers(scope, key, 1);
}

bool s3_scope_covers_listing(const struct s3_scope *scope, struct str prefix)
{
    return covers(scope, prefix, 0);
}

/* ---- requests -------------------------------------------------------------------------------- */

static int outside(const struct s3_scope *scope, const char *what, struct str key,
                   struct error *err)
{
    return error_set(err, ERR_FORBIDDEN, "%s is not in the table's location: s3://%.*s/%.*s", what,
                     STR_ARG(scope->bucket), STR_ARG(str_utf8_cut(key, 300)));
}

static int check_write(const struct s3_scope *scope, struct str key, struct error *err)
{
    if (!s3_scope_covers(scope, key))
        return outside(scope, "File", key, err);
    for (size_t i = 0; i < scope->guarded_count; i++)
        if (str_equal(scope->guarded[i], key))
            return error_set(err, ERR_FORBIDDEN,
                             "The catalog's own file is not changed by others: s3://%.*s/%.*s",
                             STR_ARG(scope->bucket), STR_ARG(str_utf8_cut(key, 300)));
    return 0;
}

static int bad_body(const char *why, struct error *err)
{
    return error_set(err, ERR_BAD_REQUEST, "The body of DeleteObjects %s", why);
}

/* <Object><Key>…</Key></Object>, nothing else in it. */
static int check_object(const struct s3_scope *scope, const struct xml_element *object,
                        struct error *err)
{
    const struct xml_element *key = object->children;
    for (; key != NULL && str_equal(key->name, STR("Key")); key = key->next)
        if (key->children != NULL || key->text.len == 0)
            return bad_body("has an object without a key", err);
    if (key != NULL)
        return error_set(err, ERR_FORBIDDEN, "DeleteObjects with %.*s of an object is not allowed",
                         STR_ARG(str_utf8_cut(key->name, 60)));
    key = object->children;
    if (key == NULL || key->next != NULL)
        return bad_body("has an object without one key", err);
    return check_write(scope, key->text, err);
}

static int check_delete(const struct s3_scope *scope, struct str body, struct arena *arena,
                        struct error *err)
{
    struct xml_element *root;
    size_t objects = 0, quiets = 0;
    if (body.len == 0)
        return bad_body("is missing", err);
    if (xml_parse(body, ELEMENTS_MAX, arena, &root, err) != 0)
        return -1;
    if (!str_equal(root->name, STR("Delete")))
        return bad_body("is another document", err);
    for (const struct xml_element *child = root->children; child != NULL; child = child->next) {
        if (str_equal(child->name, STR("Object"))) {
            if (++objects > S3_DELETE_KEYS_MAX)
                return bad_body("has more than 1,000 keys", err);
            if (check_object(scope, child, err) != 0)
                return -1;
        } else if (!str_equal(child->name, STR("Quiet")) || child->children != NULL ||
                   ++quiets > 1) {
            return bad_body("holds an element that is not known", err);
        }
    }
    return objects > 0 ? 0 : bad_body("has no keys", err);
}

static int check_copy(const struct s3_scope *scope, const struct s3_request *request,
                      struct error *err)
{
    if (!str_equal(request->copy_bucket, scope->bucket))
        return error_set(err, ERR_FORBIDDEN, "The source of the copy is in another bucket: %.*s",
                         STR_ARG(str_utf8_cut(request->copy_bucket, 100)));
    if (!s3_scope_covers(scope, request->copy_key))
        return outside(scope, "The source of the copy", request->copy_key, err);
    return 0;
}

/* Does it take something away, or give up what was begun? */
static bool is_removal(enum s3_operation operation)
{
    return operation == S3_DELETE_OBJECT || operation == S3_DELETE_OBJECTS ||
           operation == S3_ABORT_UPLOAD;
}

static int check_place(const struct s3_scope *scope, const struct s3_request *request,
                       struct str body, struct arena *arena, struct error *err)
{
    struct str prefix = s3_request_query(request, "prefix");
    switch (request->operation) {
    case S3_LIST_OBJECTS_V2:
        if (!s3_scope_covers_listing(scope, prefix))
            return outside(scope, "The listing", prefix, err);
        return 0;
    case S3_DELETE_OBJECTS:
        return check_delete(scope, body, arena, err);
    case S3_GET_OBJECT:
    case S3_HEAD_OBJECT:
        if (!s3_scope_covers(scope, request->key))
            return outside(scope, "File", request->key, err);
        return 0;
    case S3_COPY_OBJECT:
    case S3_UPLOAD_PART_COPY:
        if (check_copy(scope, request, err) != 0)
            return -1;
        return check_write(scope, request->key, err);
    case S3_PUT_OBJECT:
    case S3_DELETE_OBJECT:
    case S3_CREATE_UPLOAD:
    case S3_UPLOAD_PART:
    case S3_COMPLETE_UPLOAD:
    case S3_ABORT_UPLOAD:
    case S3_LIST_PARTS:
        return check_write(scope, request->key, err);
    default: /* invariant 1 */
        return error_set(err, ERR_FORBIDDEN, "This operation on the store is not allowed: %s",
                         s3_operation_name(request->operation));
    }
}

int s3_scope_check(const struct s3_scope *scope, const struct s3_request *request, struct str body,
                   struct arena *arena, struct error *err)
{
    if (request->operation != S3_UNKNOWN && request->effect == S3_WRITES && !scope->write)
        return error_set(err, ERR_FORBIDDEN, "%s needs the right to write",
                         s3_operation_name(request->operation));
    if (scope->removes_only && request->effect == S3_WRITES && !is_removal(request->operation))
        return error_set(err, ERR_FORBIDDEN, "%s is not allowed where only files are removed",
                         s3_operation_name(request->operation));
    if (!str_equal(request->bucket, scope->bucket))
        return error_set(err, ERR_FORBIDDEN, "Not the bucket of the table: %.*s",
                         STR_ARG(str_utf8_cut(request->bucket, 100)));
    if (request->signature_query_count > 0)
        return error_set(err, ERR_FORBIDDEN, "The request is signed already");
    return check_place(scope, request, body, arena, err);
}
