/* Listings of objects, in both versions of the protocol.
 *
 * 1. Nothing is shown that the caller may not read, neither a key nor the name of a directory
 * (contract/reliability.md X09): what is paged through are the parts of the asked prefix that lie
 * in his grant. A prefix that has none is refused.
 * 2. A page goes on behind the last key of the one before; the continuation token is that key.
 * 3. The limit is never exceeded; a page that is full says that there may be more. */
#include "server/s3_call.h"

#include "base/digest.h"
#include "base/xml.h"
#include <stdlib.h>

#define KEYS_MAX 1000

struct listing {
    struct s3_call *call;
    bool v2, by_directory, url;
    struct str prefix, after;
    size_t limit;
    struct str scopes[GATEWAY_PREFIXES_MAX];
    size_t scope_count;
    struct file_page_entry *entries;
    size_t count;
    bool more;
};

/* ---- what is asked --------------------------------------------------------------------------- */

static int bad(struct s3_call *call, const char *why)
{
    return s3_fault_set(&call->fault, S3_INVALID_ARGUMENT, "%s", why);
}

static int read_limit(struct s3_call *call, size_t *limit)
{
    long long value = KEYS_MAX;
    struct str text = s3_request_query(&call->request, "max-keys");
    if (text.len > 0 && (!str_to_int64(text, &value) || value < 0))
        return bad(call, "Argument max-keys must be an integer between 0 and 2147483647.");
    *limit = value > KEYS_MAX ? KEYS_MAX : (size_t)value;
    return 0;
}

static int read_after(struct listing *listing)
{
    struct s3_call *call = listing->call;
    struct str token = s3_request_query(&call->request, "continuation-token");
    listing->after = s3_request_query(&call->request, listing->v2 ? "start-after" : "marker");
    if (token.ptr == NULL)
        return 0;
    if (token.len == 0 || !base64url_decode(call->arena, token, &listing->after) ||
        !str_is_utf8(listing->after))
        return bad(call, "The continuation token provided is incorrect.");
    return 0;
}

static int read_query(struct listing *listing)
{
    struct s3_call *call = listing->call;
    struct str delimiter = s3_request_query(&call->request, "delimiter");
    struct str encoding = s3_request_query(&call->request, "encoding-type");
    if (delimiter.len > 0 && !str_equal_cstr(delimiter, "/"))
        return s3_fault_set(&call->fault, S3_NOT_IMPLEMENTED,
                            "The only delimiter that is implemented is /.");
    if (encoding.len > 0 && !str_equal_cstr(encoding, "url"))
        return bad(call, "Invalid Encoding Method specified in Request");
    listing->by_directory = delimiter.len > 0;
    listing->url = encoding.len > 0;
    listing->prefix = s3_request_query(&call->request, "prefix");
    if (listing->prefix.len > S3_KEY_BYTES_MAX)
        return s3_fault_set(&call->fault, S3_KEY_TOO_LONG, "Your key is too long.");
    if (read_limit(call, &listing->limit) != 0)
        return -1;
    return read_after(listing);
}

/* ---- what of it may be seen ------------------------------------------------------------------ */

static int by_bytes(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* Invariant 1. In byte order, and none within another. */
static int find_scopes(struct listing *listing)
{
    const struct gateway_grant *grant = &listing->call->identity.grant;
    size_t count = 0;
    for (size_t i = 0; i < grant->prefix_count; i++) {
        if (str_starts_with(listing->prefix, grant->prefixes[i]))
            listing->scopes[count++] = listing->prefix;
        else if (str_starts_with(grant->prefixes[i], listing->prefix))
            listing->scopes[count++] = grant->prefixes[i];
    }
    if (count == 0)
        return s3_fault_set(&listing->call->fault, S3_ACCESS_DENIED,
                            "Access denied: the access key does not reach there.");
    qsort(listing->scopes, count, sizeof(listing->scopes[0]), by_bytes);
    for (size_t i = 0; i < count; i++)
        if (listing->scope_count == 0 ||
            !str_starts_with(listing->scopes[i], listing->scopes[listing->scope_count - 1]))
            listing->scopes[listing->scope_count++] = listing->scopes[i];
    return 0;
}

/* Could a key begin so? Segments that no key has lead nowhere. */
static bool may_have_keys(struct str prefix)
{
    while (prefix.ptr != NULL) {
        struct str segment = str_cut(&prefix, '/');
        if (prefix.ptr != NULL &&
            (segment.len == 0 || str_equal_cstr(segment, ".") || str_equal_cstr(segment, "..")))
            return false;
    }
    return true;
}

/* ---- the page -------------------------------------------------------------------------------- */

static int page(struct listing *listing, struct str prefix, bool by_directory, size_t limit,
                struct file_page *out)
{
    const struct file_page_request request = {
        .prefix = prefix,
        .by_directory = by_directory,
        .after = listing->after,
        .limit = limit,
    };
    struct s3_call *call = listing->call;
    if (file_io_page(call->warehouse->io, &request, call->arena, out, &call->fault.error) != 0)
        return s3_fault_of_error(&call->fault);
    return 0;
}

/* The directory through which a scope is reached, if there is one below the asked prefix. */
static struct str rolled_up(const struct listing *listing, struct str scope)
{
    for (size_t i = listing->prefix.len; listing->by_directory && i < scope.len; i++)
        if (scope.ptr[i] == '/')
            return str_from(scope.ptr, i + 1);
    return STR_NONE;
}

static int add_rolled_up(struct listing *listing, struct str scope, struct str directory)
{
    struct file_page some;
    bool again =
        listing->count > 0 && str_equal(listing->entries[listing->count - 1].key, directory);
    if (again || str_compare(directory, listing->after) <= 0)
        return 0;
    struct str after = listing->after;
    listing->after = STR_NONE;
    int rc = page(listing, scope, false, 1, &some);
    listing->after = after;
    if (rc == 0 && some.count > 0)
        listing->entries[listing->count++] =
            (struct file_page_entry){.key = directory, .is_directory = true};
    return rc;
}

static int add_scope(struct listing *listing, struct str scope)
{
    struct file_page found;
    struct str directory = rolled_up(listing, scope);
    if (directory.ptr != NULL)
        return add_rolled_up(listing, scope, directory);
    if (page(listing, scope, listing->by_directory, listing->limit - listing->count, &found) != 0)
        return -1;
    for (size_t i = 0; i < found.count; i++)
        listing->entries[listing->count++] = found.entries[i];
    listing->more = found.more;
    return 0;
}

/* A directory in which nothing is, as the object that a client made it with. */
static int add_marker(struct listing *listing)
{
    struct s3_call *call = listing->call;
    struct file_page_entry entry = {.key = listing->prefix};
    struct str location;
    bool found;
    if (listing->count > 0 || !str_ends_with(listing->prefix, STR("/")) ||
        str_compare(listing->after, listing->prefix) >= 0)
        return 0;
    if (s3_call_locate(call, call->warehouse, listing->prefix, &location, &call->fault) != 0)
        return 0; /* the way to a scope, or no key */
    if (file_io_stat(call->warehouse->io, location, &found, &entry.stat, &call->fault.error) != 0)
        return s3_fault_of_error(&call->fault);
    if (found && entry.stat.is_directory)
        listing->entries[listing->count++] = entry;
    return 0;
}

static int find(struct listing *listing)
{
    listing->entries =
        ARENA_ARRAY(listing->call->arena, struct file_page_entry, listing->limit + 1);
    if (listing->limit == 0 || !may_have_keys(listing->prefix))
        return 0;
    for (size_t i = 0; i < listing->scope_count; i++) {
        if (listing->count == listing->limit || listing->more) {
            listing->more = true;
            break;
        }
        if (add_scope(listing, listing->scopes[i]) != 0)
            return -1;
    }
    return add_marker(listing);
}

/* ---- the document ---------------------------------------------------------------------------- */

static void write_text(const struct listing *listing, struct buf *xml, const char *name,
                       struct str text)
{
    xml_write(xml, name, listing->url ? s3_uri_encode(text, true, listing->call->arena) : text);
}

static void write_entry(const struct listing *listing, struct buf *xml,
                        const struct file_page_entry *entry)
{
    if (entry->is_directory) {
        buf_add_cstr(xml, "<CommonPrefixes>");
        write_text(listing, xml, "Prefix", entry->key);
        buf_add_cstr(xml, "</CommonPrefixes>");
        return;
    }
    buf_add_cstr(xml, "<Contents>");
    write_text(listing, xml, "Key", entry->key);
    xml_write(xml, "LastModified", s3_iso_date(entry->stat.modified_ms, listing->call->arena));
    xml_write(xml, "ETag", str_cstr(entry->stat.etag));
    buf_add_format(xml, "<Size>%lld</Size><StorageClass>STANDARD</StorageClass></Contents>",
                   (long long)entry->stat.bytes);
}

static void write_place(const struct listing *listing, struct buf *xml)
{
    const struct s3_request *request = &listing->call->request;
    struct str last = listing->count > 0 ? listing->entries[listing->count - 1].key : STR_NONE;
    if (!listing->v2) {
        write_text(listing, xml, "Marker", s3_request_query(request, "marker"));
        if (listing->more)
            write_text(listing, xml, "NextMarker", last);
        return;
    }
    buf_add_format(xml, "<KeyCount>%zu</KeyCount>", listing->count);
    struct str start = s3_request_query(request, "start-after");
    struct str token = s3_request_query(request, "continuation-token");
    if (start.ptr != NULL)
        write_text(listing, xml, "StartAfter", start);
    if (token.ptr != NULL)
        xml_write(xml, "ContinuationToken", token);
    if (listing->more)
        xml_write(xml, "NextContinuationToken", base64url_encode(listing->call->arena, last));
}

static void write_listing(const struct listing *listing, struct buf *xml)
{
    s3_xml_begin(xml, "ListBucketResult");
    xml_write(xml, "Name", listing->call->request.bucket);
    write_text(listing, xml, "Prefix", listing->prefix);
    if (listing->by_directory)
        xml_write(xml, "Delimiter", STR("/"));
    if (listing->url)
        xml_write(xml, "EncodingType", STR("url"));
    buf_add_format(xml, "<MaxKeys>%zu</MaxKeys>", listing->limit);
    write_place(listing, xml);
    xml_write(xml, "IsTruncated", listing->more ? STR("true") : STR("false"));
    for (size_t i = 0; i < listing->count; i++)
        write_entry(listing, xml, &listing->entries[i]);
    s3_xml_end(xml, "ListBucketResult");
}

int serve_list_objects(struct s3_call *call)
{
    struct listing listing = {
        .call = call,
        .v2 = call->request.operation == S3_LIST_OBJECTS_V2,
    };
    struct http_reply reply;
    struct buf xml = BUF_INIT(S3_LISTING_BYTES_MAX);
    if (read_query(&listing) != 0 || find_scopes(&listing) != 0 || find(&listing) != 0)
        return -1;
    /* A token needs a last key: a page without one is the end. */
    listing.more = listing.more && listing.count > 0;
    write_listing(&listing, &xml);
    s3_reply_begin(call, &reply, 200);
    s3_reply_xml(call, &reply, &xml);
    return 0;
}
