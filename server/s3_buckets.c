/* Operations on buckets. */
#include "server/s3_call.h"

#include "base/xml.h"

int serve_head_bucket(struct s3_call *call)
{
    struct http_reply reply;
    s3_reply_begin(call, &reply, 200);
    s3_reply_header(&reply, "x-amz-bucket-region", STR(S3_GATEWAY_REGION), call->arena);
    s3_reply_empty(call, &reply);
    return 0;
}

int serve_bucket_location(struct s3_call *call)
{
    struct http_reply reply;
    struct buf xml = BUF_INIT(4096);
    s3_reply_begin(call, &reply, 200);
    s3_xml_begin(&xml, "LocationConstraint"); /* empty: us-east-1 */
    s3_xml_end(&xml, "LocationConstraint");
    s3_reply_xml(call, &reply, &xml);
    return 0;
}

/* Those that the caller may know of. */
int serve_list_buckets(struct s3_call *call)
{
    struct http_reply reply;
    struct buf xml = BUF_INIT(S3_LISTING_BYTES_MAX);
    struct warehouse **all;
    size_t count;
    if (catalog_warehouse_list(s3_gateway_options_of(call->gateway)->catalog, call->arena, &all,
                               &count, &call->fault.error) != 0)
        return s3_fault_of_error(&call->fault);
    struct str prefix = s3_request_query(&call->request, "prefix");
    s3_xml_begin(&xml, "ListAllMyBucketsResult");
    buf_add_cstr(&xml, "<Owner><ID>firn</ID></Owner><Buckets>");
    for (size_t i = 0; i < count; i++) {
        if (!s3_call_knows(call, all[i]) || !str_starts_with(all[i]->name, prefix))
            continue;
        buf_add_cstr(&xml, "<Bucket>");
        xml_write(&xml, "Name", all[i]->name);
        xml_write(&xml, "CreationDate", STR("1970-01-01T00:00:00.000Z")); /* is not kept */
        xml_write(&xml, "BucketRegion", STR(S3_GATEWAY_REGION));
        buf_add_cstr(&xml, "</Bucket>");
    }
    buf_add_cstr(&xml, "</Buckets>");
    s3_xml_end(&xml, "ListAllMyBucketsResult");
    s3_reply_begin(call, &reply, 200);
    s3_reply_xml(call, &reply, &xml);
    return 0;
}
