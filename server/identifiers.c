/* Lists of identifiers, and renames. */
#include "server/identifiers.h"

#include "base/raw_json.h"
#include "iceberg/json_member.h"

#define LIST_BYTES_MAX ((size_t)1 << 30)

/* The namespace is written once, and copied in front of every name. */
static void write_identifiers(struct buf *out, const struct namespace_ident *ns,
                              enum page_kind kind, const struct name_list *list)
{
    bool is_function = kind == PAGE_OF_FUNCTIONS;
    struct buf prefix = BUF_INIT(1 << 20);
    if (!is_function)
        buf_add(&prefix, STR("{\"namespace\":"));
    request_write_namespace(&prefix, ns);
    if (is_function)
        prefix.len--; /* the name is the last element */
    buf_add(&prefix, is_function ? STR(",") : STR(",\"name\":"));
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add(out, buf_str(&prefix));
        raw_json_write_string(out, list->names[i]);
        buf_add_char(out, is_function ? ']' : '}');
    }
    buf_free(&prefix);
}

void identifiers_reply(struct request *req, struct response *res, enum page_kind kind,
                       const struct name_list *list)
{
    struct buf out = BUF_INIT(LIST_BYTES_MAX);
    buf_add(&out, STR("{\"identifiers\":["));
    write_identifiers(&out, &req->ns, kind, list);
    buf_add_char(&out, ']');
    if (list->more) {
        struct str token = page_token_make(kind, list->names[list->count - 1], req->arena);
        buf_add_format(&out, ",\"next-page-token\":\"%.*s\"", STR_ARG(token));
    }
    buf_add_char(&out, '}');
    response_json_buf(res, &out, req->arena);
}

int identifiers_of_rename(struct request *req, struct identifier *from, struct identifier *to,
                          struct error *err)
{
    json_t *body;
    const json_t *source, *destination;
    if (request_json(req, &body, err) != 0 ||
        member_object_optional(body, "source", &source, err) != 0 ||
        member_object_optional(body, "destination", &destination, err) != 0)
        return -1;
    if (source == NULL || destination == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid rename: source and destination are required");
    if (identifier_parse(source, req->arena, from, err) != 0)
        return -1;
    return identifier_parse(destination, req->arena, to, err);
}
