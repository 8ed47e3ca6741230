/* The operations of S3 that are known here.
 *
 * 1. An operation is what one row of the table says, whole: method, whether there is a key, whether
 *    there is a copy source, and the query parameters, of which none may be missing, none be added
 *    and none come twice. Rows exclude each other.
 * 2. Everything is decoded once. A '+' is a plus: S3 and its clients spell a space %20.
 * 3. Only the eight parameters of a presigned request are set aside, by their exact names: other
 *    X-Amz-* parameters are headers in disguise and make the operation unknown. */
#include "storage/s3_request.h"

#include <assert.h>

#define PARAMETERS_MAX 8

enum place { AT_SERVICE, AT_BUCKET, AT_KEY };

struct row {
    enum s3_operation operation;
    const char *name;
    const char *method;
    enum place place;
    bool copies;
    enum s3_effect effect;
    /* Each must be there: "uploads" without a value or with an empty one, "list-type=2" with this
     * one, "uploadId=" with any that is not empty. */
    const char *needs[3];
    const char *may[PARAMETERS_MAX];
};

#define LISTING "prefix", "delimiter", "encoding-type"

static const struct row rows[] = {
    {S3_LIST_BUCKETS,
     "ListBuckets",
     "GET",
     AT_SERVICE,
     false,
     S3_LISTS,
     {NULL},
     {"x-id", "max-buckets", "continuation-token", "prefix", "bucket-region"}},
    {S3_HEAD_BUCKET, "HeadBucket", "HEAD", AT_BUCKET, false, S3_LISTS, {NULL}, {NULL}},
    {S3_GET_BUCKET_LOCATION,
     "GetBucketLocation",
     "GET",
     AT_BUCKET,
     false,
     S3_LISTS,
     {"location"},
     {NULL}},
    {S3_LIST_OBJECTS_V1,
     "ListObjects",
     "GET",
     AT_BUCKET,
     false,
     S3_LISTS,
     {NULL},
     {LISTING, "marker", "max-keys"}},
    {S3_LIST_OBJECTS_V2,
     "ListObjectsV2",
     "GET",
     AT_BUCKET,
     false,
     S3_LISTS,
     {"list-type=2"},
     {LISTING, "max-keys", "continuation-token", "start-after", "fetch-owner"}},
    {S3_LIST_UPLOADS,
     "ListMultipartUploads",
     "GET",
     AT_BUCKET,
     false,
     S3_LISTS,
     {"uploads"},
     {LISTING, "key-marker", "upload-id-marker", "max-uploads"}},
    {S3_DELETE_OBJECTS, "DeleteObjects", "POST", AT_BUCKET, false, S3_WRITES, {"delete"}, {NULL}},
    {S3_GET_OBJECT, "GetObject", "GET", AT_KEY, false, S3_READS, {NULL}, {"x-id"}},
    {S3_HEAD_OBJECT, "HeadObject", "HEAD", AT_KEY, false, S3_READS, {NULL}, {"x-id"}},
    {S3_PUT_OBJECT, "PutObject", "PUT", AT_KEY, false, S3_WRITES, {NULL}, {"x-id"}},
    {S3_COPY_OBJECT, "CopyObject", "PUT", AT_KEY, true, S3_WRITES, {NULL}, {"x-id"}},
    {S3_DELETE_OBJECT, "DeleteObject", "DELETE", AT_KEY, false, S3_WRITES, {NULL}, {"x-id"}},
    {S3_CREATE_UPLOAD,
     "CreateMultipartUpload",
     "POST",
     AT_KEY,
     false,
     S3_WRITES,
     {"uploads"},
     {"x-id"}},
    {S3_UPLOAD_PART,
     "UploadPart",
     "PUT",
     AT_KEY,
     false,
     S3_WRITES,
     {"partNumber=", "uploadId="},
     {"x-id"}},
    {S3_UPLOAD_PART_COPY,
     "UploadPartCopy",
     "PUT",
     AT_KEY,
     true,
     S3_WRITES,
     {"partNumber=", "uploadId="},
     {"x-id"}},
    {S3_COMPLETE_UPLOAD,
     "CompleteMultipartUpload",
     "POST",
     AT_KEY,
     false,
     S3_WRITES,
     {"uploadId="},
     {"x-id"}},
    {S3_ABORT_UPLOAD,
     "AbortMultipartUpload",
     "DELETE",
     AT_KEY,
     false,
     S3_WRITES,
     {"uploadId="},
     {"x-id"}},
    {S3_LIST_PARTS,
     "ListParts",
     "GET",
     AT_KEY,
     false,
     S3_WRITES,
     {"uploadId="},
     {"x-id", "max-parts", "part-number-marker"}},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *const signature_parameters[] = {
    "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",           "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Security-Token", "X-Amz-Content-Sha256",
};

static int refuse(struct error *err, const char *why)
{
    return error_set(err, ERR_BAD_REQUEST, "The request to S3 %s", why);
}

static int decode(struct str text, struct arena *arena, struct str *out, struct error *err)
{
    if (!s3_uri_decode(text, arena, out))
        return refuse(err, "has a malformed escape");
    if (!str_is_utf8(*out))
        return refuse(err, "is not in UTF-8");
    return 0;
}

/* "[/]bucket[/key]" */
static int parse_path(struct str path, struct arena *arena, struct str *bucket, struct str *key,
                      struct error *err)
{
    struct str rest = path;
    if (str_starts_with(rest, STR("/")))
        rest = str_skip(rest, 1);
    if (decode(str_cut(&rest, '/'), arena, bucket, err) != 0 || decode(rest, arena, key, err) != 0)
        return -1;
    if (str_contains(*bucket, STR("/")))
        return refuse(err, "has a slash in the bucket's name");
    if (bucket->len == 0 && rest.ptr != NULL)
        return refuse(err, "has a key and no bucket");
    if (key->len > S3_KEY_BYTES_MAX)
        return refuse(err, "has a key that is too long");
    return 0;
}

static bool is_of_signature(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(signature_parameters); i++)
        if (str_equal_cstr(name, signature_parameters[i]))
            return true;
    return false;
}

static int parse_query(struct str query, struct arena *arena, struct s3_request *out,
                       struct error *err)
{
    out->query = ARENA_ARRAY(arena, struct s3_query_item, S3_QUERY_ITEMS_MAX);
    out->signature_query = ARENA_ARRAY(arena, struct s3_query_item, S3_QUERY_ITEMS_MAX);
    while (query.len > 0) {
        struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
        struct s3_query_item item = {.has_value = value.ptr != NULL};
        if (name.len == 0 && !item.has_value)
            continue; /* "?&a" */
        if (out->query_count + out->signature_query_count == S3_QUERY_ITEMS_MAX)
            return refuse(err, "has too many parameters");
        if (decode(name, arena, &item.name, err) != 0 ||
            decode(value, arena, &item.value, err) != 0)
            return -1;
        if (is_of_signature(item.name))
            out->signature_query[out->signature_query_count++] = item;
        else
            out->query[out->query_count++] = item;
    }
    return 0;
}

/* "[/]bucket/key"; with a version it names something that is not known here. */
static int parse_copy_source(struct str text, struct arena *arena, struct s3_request *out,
                             bool *versioned, struct error *err)
{
    struct str version = text, path = str_cut(&version, '?');
    *versioned = version.ptr != NULL;
    if (parse_path(path, arena, &out->copy_bucket, &out->copy_key, err) != 0)
        return -1;
    if (out->copy_bucket.len == 0 || out->copy_key.len == 0)
        return refuse(err, "has a copy source without bucket or key");
    return 0;
}

static bool has_twins(const struct s3_query_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (str_equal(items[i].name, items[j].name))
                return true;
    return false;
}

/* Is the item what an entry of `needs` asks for? */
static bool fulfils(const struct s3_query_item *item, const char *need)
{
    struct str value = str_cstr(need), name = str_cut(&value, '=');
    if (!str_equal(item->name, name))
        return false;
    if (value.ptr == NULL)
        return item->value.len == 0;
    return value.len == 0 ? item->value.len > 0 : str_equal(item->value, value);
}

static bool is_allowed(const struct row *row, const struct s3_query_item *item)
{
    if (str_equal(item->name, STR("x-id")) && !str_equal_cstr(item->value, row->name))
        return false;
    for (size_t i = 0; i < COUNT_OF(row->needs) && row->needs[i] != NULL; i++)
        if (fulfils(item, row->needs[i]))
            return true;
    for (size_t i = 0; i < PARAMETERS_MAX && row->may[i] != NULL; i++)
        if (str_equal_cstr(item->name, row->may[i]))
            return true;
    return false;
}

/* Invariant 1. Names are known to differ, so that counting what is needed is enough. */
static bool query_fits(const struct row *row, const struct s3_request *request)
{
    size_t needed = 0, found = 0;
    for (; needed < COUNT_OF(row->needs) && row->needs[needed] != NULL; needed++)
        for (size_t i = 0; i < request->query_count; i++)
            found += fulfils(&request->query[i], row->needs[needed]);
    for (size_t i = 0; i < request->query_count; i++)
        if (!is_allowed(row, &request->query[i]))
            return false;
    return found == needed;
}

static const struct row *find_row(struct str method, bool copies, const struct s3_request *request)
{
    enum place place = request->bucket.len == 0 ? AT_SERVICE
                       : request->key.len == 0  ? AT_BUCKET
                                                : AT_KEY;
    const struct row *found = NULL;
    if (has_twins(request->query, request->query_count) ||
        has_twins(request->signature_query, request->signature_query_count))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].place != place || rows[i].copies != copies ||
            !str_equal_cstr(method, rows[i].method) || !query_fits(&rows[i], request))
            continue;
        assert(found == NULL);
        found = &rows[i];
    }
    return found;
}

static bool has_bad_bytes(struct str target)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= ' ' || c == 0x7F || c == '#')
            return true;
    }
    return false;
}

int s3_request_parse(struct str method, struct str target, struct str copy_source,
                     struct arena *arena, struct s3_request *out, struct error *err)
{
    bool copies = copy_source.ptr != NULL, versioned = false;
    *out = (struct s3_request){.operation = S3_UNKNOWN, .effect = S3_WRITES};
    if (target.len > S3_TARGET_BYTES_MAX || copy_source.len > S3_TARGET_BYTES_MAX)
        return refuse(err, "is too long");
    if (!str_starts_with(target, STR("/")) || has_bad_bytes(target))
        return refuse(err, "has no path, or one that is not escaped");
    struct str query = target;
    out->raw_path = str_cut(&query, '?');
    if (parse_path(out->raw_path, arena, &out->bucket, &out->key, err) != 0 ||
        parse_query(query, arena, out, err) != 0)
        return -1;
    if (copies && parse_copy_source(copy_source, arena, out, &versioned, err) != 0)
        return -1;
    const struct row *row = versioned ? NULL : find_row(method, copies, out);
    if (row != NULL) {
        out->operation = row->operation;
        out->effect = row->effect;
    }
    return 0;
}

struct str s3_request_query(const struct s3_request *request, const char *name)
{
    for (size_t i = 0; i < request->query_count; i++)
        if (str_equal_cstr(request->query[i].name, name))
            return request->query[i].value;
    return STR_NONE;
}

const char *s3_operation_name(enum s3_operation operation)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].operation == operation)
            return rows[i].name;
    return "Unknown";
}

#define OF(operation) (1u << (operation))
#define OF_ALL (~OF(S3_UNKNOWN))
#define OF_READ (OF(S3_GET_OBJECT) | OF(S3_HEAD_OBJECT))
#define OF_BODY (OF(S3_PUT_OBJECT) | OF(S3_UPLOAD_PART))
#define OF_COPY (OF(S3_COPY_OBJECT) | OF(S3_UPLOAD_PART_COPY))
#define OF_NEW                                                                         \
    (OF(S3_PUT_OBJECT) | OF(S3_COPY_OBJECT) | OF(S3_CREATE_UPLOAD)) /* what it will be \
                                                                     */
#define OF_MADE (OF(S3_PUT_OBJECT) | OF(S3_COPY_OBJECT) | OF(S3_COMPLETE_UPLOAD))

/* A name that ends in '*' is the beginning of names. */
static const struct {
    const char *name;
    unsigned operations;
} headers[] = {
    {"host", OF_ALL},
    {"date", OF_ALL},
    {"accept", OF_ALL},
    {"accept-encoding", OF_ALL},
    {"connection", OF_ALL},
    {"content-length", OF_ALL},
    {"content-type", OF_ALL},
    {"content-md5", OF_BODY | OF(S3_DELETE_OBJECTS) | OF(S3_COMPLETE_UPLOAD)},
    {"user-agent", OF_ALL},
    {"expect", OF_ALL},
    {"amz-sdk-*", OF_ALL},
    {"x-amz-user-agent", OF_ALL},
    {"x-amz-api-version", OF_ALL}, /* of the AWS SDK for C++ */
    {"x-amzn-trace-id", OF_ALL},
    {"x-amz-date", OF_ALL},
    {"x-amz-content-sha256", OF_ALL},
    {"range", OF_READ},
    {"if-match", OF_READ | OF_MADE},
    {"if-none-match", OF_READ | OF_MADE},
    {"if-modified-since", OF_READ},
    {"if-unmodified-since", OF_READ},
    {"x-amz-checksum-mode", OF_READ},
    {"x-amz-te", OF(S3_GET_OBJECT)}, /* append-md5, of AWS SDK for Java: a wish that may stay one */
    {"cache-control", OF_NEW},
    {"content-disposition", OF_NEW},
    {"content-encoding", OF_NEW | OF_BODY},
    {"content-language", OF_NEW},
    {"x-amz-meta-*", OF_NEW},
    {"x-amz-storage-class", OF_NEW},
    {"x-amz-checksum-algorithm", OF(S3_COPY_OBJECT) | OF(S3_CREATE_UPLOAD)},
    {"x-amz-checksum-type", OF(S3_CREATE_UPLOAD) | OF(S3_COMPLETE_UPLOAD)},
    /* Of the request's body. AWS SDK for Java sends them where there is none, too. */
    {"x-amz-checksum-crc32", OF_ALL},
    {"x-amz-checksum-crc32c", OF_ALL},
    {"x-amz-checksum-crc64nvme", OF_ALL},
    {"x-amz-checksum-sha1", OF_ALL},
    {"x-amz-checksum-sha256", OF_ALL},
    {"x-amz-sdk-checksum-algorithm", OF_ALL},
    {"x-amz-mp-object-size", OF(S3_COMPLETE_UPLOAD)},
    {"x-amz-decoded-content-length", OF_BODY},
    {"x-amz-trailer", OF_BODY},
    {"x-amz-copy-source", OF_COPY},
    {"x-amz-copy-source-range", OF(S3_UPLOAD_PART_COPY)},
    {"x-amz-copy-source-if-match", OF_COPY},
    {"x-amz-copy-source-if-none-match", OF_COPY},
    {"x-amz-copy-source-if-modified-since", OF_COPY},
    {"x-amz-copy-source-if-unmodified-since", OF_COPY},
    {"x-amz-metadata-directive", OF(S3_COPY_OBJECT)},
};

static bool name_fits(struct str pattern, struct str name)
{
    if (!str_ends_with(pattern, STR("*")))
        return str_equal_ignore_case(pattern, name);
    struct str beginning = str_from(pattern.ptr, pattern.len - 1);
    return name.len > beginning.len &&
           str_equal_ignore_case(beginning, str_from(name.ptr, beginning.len));
}

bool s3_header_allowed(enum s3_operation operation, struct str name)
{
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        if (name_fits(str_cstr(headers[i].name), name))
            return (headers[i].operations & OF(operation)) != 0;
    return false;
}
