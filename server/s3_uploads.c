/* Multipart uploads.
 *
 * 1. The id that a client gets is a mark and the store's own id. The mark binds it to bucket, key
 * and principal (contract/reliability.md X08), also across restarts; one that does not fit is
 * answered like one that never was. */
#include "server/s3_call.h"

#include "base/digest.h"
#include "base/xml.h"

#define MARK_CHARS 43
#define DOCUMENT_BYTES_MAX ((size_t)8 << 20)
#define PART_ELEMENTS_MAX 9 /* of one part, itself included */

static struct str mark(struct s3_call *call, struct str id)
{
    const struct str parts[] = {id, call->request.bucket, call->request.key,
                                call->identity.grant.principal};
    return gateway_keys_mark(s3_gateway_options_of(call->gateway)->keys, parts, 4, call->arena);
}

static int no_such_upload(struct s3_call *call)
{
    return s3_fault_set(&call->fault, S3_NO_SUCH_UPLOAD,
                        "The specified upload does not exist. The upload ID may be invalid, or the "
                        "upload may have been aborted or completed.");
}

int s3_upload_fault(struct s3_call *call)
{
    if (call->fault.error.kind == ERR_FILE_NOT_FOUND)
        return no_such_upload(call);
    return s3_fault_of_error(&call->fault);
}

int s3_call_upload(struct s3_call *call, struct str *id)
{
    struct str told = s3_request_query(&call->request, "uploadId");
    *id = str_skip(told, MARK_CHARS);
    if (id->len == 0 || !secret_equal(str_from(told.ptr, MARK_CHARS), mark(call, *id)))
        return no_such_upload(call);
    return 0;
}

int s3_call_part_number(struct s3_call *call, int *number)
{
    long long value;
    if (!str_to_int64(s3_request_query(&call->request, "partNumber"), &value) || value < 1 ||
        value > FILE_PARTS_MAX)
        return s3_fault_set(&call->fault, S3_INVALID_ARGUMENT,
                            "Part number must be an integer between 1 and 10000, inclusive.");
    *number = (int)value;
    return 0;
}

/* ---- begin, abort, list ---------------------------------------------------------------------- */

static void write_names(const struct s3_call *call, struct buf *xml)
{
    xml_write(xml, "Bucket", call->request.bucket);
    xml_write(xml, "Key", call->request.key);
}

int serve_create_upload(struct s3_call *call)
{
    struct str id;
    struct http_reply reply;
    struct buf xml = BUF_INIT(16384);
    struct str algorithm = s3_call_header(call, "x-amz-checksum-algorithm");
    enum s3_checksum_kind kind;
    if (algorithm.ptr != NULL && !s3_checksum_kind_named(algorithm, &kind))
        return s3_fault_set(&call->fault, S3_INVALID_REQUEST,
                            "Checksum algorithm provided is unsupported.");
    if (str_ends_with(call->request.key, STR("/")))
        return s3_fault_set(&call->fault, S3_INVALID_ARGUMENT,
                            "A key that ends in / is a directory and has no content.");
    if (file_io_upload_begin(call->warehouse->io, call->location, call->arena, &id,
                             &call->fault.error) != 0)
        return s3_fault_of_error(&call->fault);
    struct str told = mark(call, id);
    s3_xml_begin(&xml, "InitiateMultipartUploadResult");
    write_names(call, &xml);
    xml_write(&xml, "UploadId", arena_printf(call->arena, "%.*s%.*s", STR_ARG(told), STR_ARG(id)));
    s3_xml_end(&xml, "InitiateMultipartUploadResult");
    s3_reply_begin(call, &reply, 200);
    if (algorithm.ptr != NULL)
        s3_reply_header(&reply, "x-amz-checksum-algorithm", algorithm, call->arena);
    s3_reply_xml(call, &reply, &xml);
    return 0;
}

int serve_abort_upload(struct s3_call *call)
{
    struct str id;
    struct http_reply reply;
    if (s3_call_upload(call, &id) != 0)
        return -1;
    if (file_io_upload_abort(call->warehouse->io, call->location, id, &call->fault.error) != 0)
        return s3_upload_fault(call);
    s3_reply_begin(call, &reply, 204);
    s3_reply_empty(call, &reply);
    return 0;
}

static int page_of_parts(struct s3_call *call, int64_t *after, int64_t *limit)
{
    struct str max = s3_request_query(&call->request, "max-parts");
    struct str marker = s3_request_query(&call->request, "part-number-marker");
    long long value = 1000, begin = 0;
    if ((max.len > 0 && (!str_to_int64(max, &value) || value < 0)) ||
        (marker.len > 0 && (!str_to_int64(marker, &begin) || begin < 0)))
        return s3_fault_set(&call->fault, S3_INVALID_ARGUMENT,
                            "max-parts and part-number-marker must be numbers.");
    *limit = value > 1000 ? 1000 : value;
    *after = begin;
    return 0;
}

int serve_list_parts(struct s3_call *call)
{
    struct str id;
    struct file_part *parts;
    struct http_reply reply;
    struct buf xml = BUF_INIT(S3_LISTING_BYTES_MAX);
    size_t count;
    int64_t after = 0, limit = 0, shown = 0, last = 0;
    bool more = false;
    if (s3_call_upload(call, &id) != 0 || page_of_parts(call, &after, &limit) != 0)
        return -1;
    if (file_io_upload_parts(call->warehouse->io, call->location, id, call->arena, &parts, &count,
                             &call->fault.error) != 0)
        return s3_upload_fault(call);
    s3_xml_begin(&xml, "ListPartsResult");
    write_names(call, &xml);
    xml_write(&xml, "UploadId", s3_request_query(&call->request, "uploadId"));
    for (size_t i = 0; i < count; i++) {
        if (parts[i].number <= after)
            continue;
        more = shown == limit;
        if (more)
            break;
        buf_add_format(&xml, "<Part><PartNumber>%d</PartNumber><Size>%lld</Size>", parts[i].number,
                       (long long)parts[i].bytes);
        xml_write(&xml, "LastModified", s3_iso_date(parts[i].modified_ms, call->arena));
        xml_write(&xml, "ETag", str_cstr(parts[i].etag));
        buf_add_cstr(&xml, "</Part>");
        last = parts[i].number;
        shown++;
    }
    buf_add_format(&xml, "<PartNumberMarker>%lld</PartNumberMarker><MaxParts>%lld</MaxParts>",
                   (long long)after, (long long)limit);
    if (more)
        buf_add_format(&xml, "<NextPartNumberMarker>%lld</NextPartNumberMarker>", (long long)last);
    xml_write(&xml, "IsTruncated", more ? STR("true") : STR("false"));
    s3_xml_end(&xml, "ListPartsResult");
    s3_reply_begin(call, &reply, 200);
    s3_reply_xml(call, &reply, &xml);
    return 0;
}

/* ---- complete -------------------------------------------------------------------------------- */

static int malformed(struct s3_call *call)
{
    return s3_fault_set(&call->fault, S3_MALFORMED_XML,
                        "The XML you provided was not well-formed or did not validate against our "
                        "published schema.");
}

/* Etags come with or without their quotes. */
static bool set_etag(struct file_part *part, struct str etag)
{
    bool quoted = etag.len >= 2 && etag.ptr[0] == '"';
    int len = snprintf(part->etag, sizeof(part->etag), quoted ? "%.*s" : "\"%.*s\"", STR_ARG(etag));
    return etag.len > 0 && len > 0 && (size_t)len < sizeof(part->etag);
}

static int read_parts(struct s3_call *call, struct str text, struct file_part **out, size_t *count)
{
    struct xml_element *root;
    if (xml_parse(text, PART_ELEMENTS_MAX * FILE_PARTS_MAX + 16, call->arena, &root,
                  &call->fault.error) != 0 ||
        !str_equal_cstr(root->name, "CompleteMultipartUpload"))
        return malformed(call);
    *out = ARENA_ARRAY(call->arena, struct file_part, FILE_PARTS_MAX);
    *count = 0;
    int before = 0;
    for (const struct xml_element *e = root->children; e != NULL; e = e->next) {
        struct file_part *part = &(*out)[*count];
        long long number;
        if (*count == FILE_PARTS_MAX || !str_equal_cstr(e->name, "Part") ||
            !str_to_int64(xml_text(e, "PartNumber"), &number) ||
            !set_etag(part, xml_text(e, "ETag")))
            return malformed(call);
        if (number < 1 || number > FILE_PARTS_MAX)
            return s3_fault_set(&call->fault, S3_INVALID_PART,
                                "One or more of the specified parts could not be found.");
        if (number <= before)
            return s3_fault_set(&call->fault, S3_INVALID_PART_ORDER,
                                "The list of parts was not in ascending order.");
        part->number = before = (int)number;
        (*count)++;
    }
    return *count == 0 ? malformed(call) : 0;
}

/* All that were named are there, as they were told, and of the size that was told. */
static int judge_parts(struct s3_call *call, struct str id, const struct file_part *named,
                       size_t named_count)
{
    struct file_part *parts;
    size_t count, at = 0;
    int64_t bytes = 0;
    long long told;
    struct str size = s3_call_header(call, "x-amz-mp-object-size");
    if (file_io_upload_parts(call->warehouse->io, call->location, id, call->arena, &parts, &count,
                             &call->fault.error) != 0)
        return s3_upload_fault(call);
    for (size_t i = 0; i < named_count; i++) {
        while (at < count && parts[at].number < named[i].number)
            at++;
        if (at == count || parts[at].number != named[i].number ||
            strcmp(parts[at].etag, named[i].etag) != 0)
            return s3_fault_set(&call->fault, S3_INVALID_PART,
                                "One or more of the specified parts could not be found. The part "
                                "may not have been uploaded, or the specified entity tag may not "
                                "match the part's entity tag.");
        bytes += parts[at].bytes;
    }
    if (size.ptr != NULL && (!str_to_int64(size, &told) || told != bytes))
        return s3_fault_set(&call->fault, S3_INVALID_REQUEST,
                            "The x-amz-mp-object-size header does not match the parts.");
    return 0;
}

/* A checksum of the whole would have to be made anew from all of it: that is not done. */
static int judge_sums(struct s3_call *call)
{
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++)
        if (i != S3_MD5 &&
            s3_call_header(call, s3_checksum_header((enum s3_checksum_kind)i)).ptr != NULL)
            return s3_fault_set(&call->fault, S3_NOT_IMPLEMENTED,
                                "Checksums of a whole object are not verified for uploads in "
                                "parts; those of the parts are.");
    return 0;
}

static int complete(struct s3_call *call, struct str id, const struct file_part *parts,
                    size_t count, struct file_stat *stat)
{
    struct file_write write = {0};
    if (s3_write_conditions(call, &write, &call->fault) != 0)
        return -1;
    if (write.if_match.ptr != NULL)
        return s3_fault_set(&call->fault, S3_NOT_IMPLEMENTED,
                            "If-Match is not implemented for uploads in parts.");
    if (judge_parts(call, id, parts, count) != 0)
        return -1;
    if (file_io_upload_complete(call->warehouse->io, call->location, id, parts, count, write.mode,
                                stat, &call->fault.error) == 0)
        return 0;
    if (call->fault.error.kind == ERR_ALREADY_EXISTS)
        return s3_write_fault(call);
    if (call->fault.error.kind == ERR_ILLEGAL_ARGUMENT)
        return s3_fault_set(&call->fault, S3_INVALID_PART,
                            "One or more of the specified parts could not be found.");
    return s3_upload_fault(call);
}

int serve_complete_upload(struct s3_call *call)
{
    struct str id;
    struct buf text, xml = BUF_INIT(16384);
    struct file_part *parts = NULL;
    struct file_stat stat;
    struct http_reply reply;
    size_t count = 0;
    if (s3_call_upload(call, &id) != 0 || judge_sums(call) != 0 ||
        s3_call_read_all(call, DOCUMENT_BYTES_MAX, &text) != 0)
        return -1;
    int rc = read_parts(call, buf_str(&text), &parts, &count);
    buf_free(&text);
    if (rc != 0 || complete(call, id, parts, count, &stat) != 0)
        return -1;
    s3_xml_begin(&xml, "CompleteMultipartUploadResult");
    xml_write(&xml, "Location", call->path);
    write_names(call, &xml);
    xml_write(&xml, "ETag", str_cstr(stat.etag));
    s3_xml_end(&xml, "CompleteMultipartUploadResult");
    s3_reply_begin(call, &reply, 200);
    s3_reply_xml(call, &reply, &xml);
    return 0;
}
