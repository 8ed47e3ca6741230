/* Objects removed, one or many.
 *
 * 1. Each key of a list is judged by itself, as a DELETE of it would be; one that may not be
 * removed is told of in the answer and keeps no other one from it.
 * 2. Directories in which nothing is left go with the last file: S3 knows none, and what no key is
 * below of does not exist. Those that a client made go too; it makes them again if it wants them.
 * 3. Metadata files stay (s3_key_is_guarded). */
#include "server/s3_call.h"

#include "base/xml.h"

#define KEYS_MAX 1000
#define DOCUMENT_BYTES_MAX ((size_t)4 << 20)

static int locate(const struct s3_call *call, struct str key, struct str *location,
                  struct s3_fault *fault)
{
    if (s3_call_locate(call, call->warehouse, key, location, fault) != 0)
        return -1;
    if (s3_key_is_guarded(key))
        return s3_fault_set(fault, S3_ACCESS_DENIED, S3_GUARDED_MESSAGE);
    return 0;
}

/* Invariant 2. What cannot be removed stays, and is no trouble. */
static void prune(const struct s3_call *call, struct str key)
{
    struct error ignored;
    bool removed = true;
    if (str_ends_with(key, STR("/")))
        key.len--;
    while (removed) {
        while (key.len > 0 && key.ptr[key.len - 1] != '/')
            key.len--;
        if (key.len == 0)
            return;
        key.len--;
        struct str location = location_join(call->arena, call->warehouse->root.text, key);
        if (file_io_remove_directory(call->warehouse->io, location, &removed, &ignored) != 0)
            return;
    }
}

/* A directory that is not empty stays, and that is no error: S3 knows no directories. */
static int remove_key(const struct s3_call *call, struct str key, struct str location,
                      struct s3_fault *fault)
{
    struct file_io *io = call->warehouse->io;
    struct file_stat stat;
    struct error ignored;
    bool found, removed;
    if (str_ends_with(key, STR("/"))) {
        if (file_io_remove_directory(io, location, &removed, &fault->error) != 0)
            return s3_fault_of_error(fault);
        if (removed)
            prune(call, key);
        return 0;
    }
    if (file_io_remove(io, location, &fault->error) == 0) {
        prune(call, key);
        return 0;
    }
    if (fault->error.kind == ERR_FORBIDDEN &&
        file_io_stat(io, location, &found, &stat, &ignored) == 0 && found && stat.is_directory)
        return 0; /* there is no such object */
    return s3_fault_of_error(fault);
}

int serve_delete_object(struct s3_call *call)
{
    struct http_reply reply;
    struct str location, key = call->request.key;
    if (locate(call, key, &location, &call->fault) != 0 ||
        remove_key(call, key, location, &call->fault) != 0)
        return -1;
    s3_reply_begin(call, &reply, 204);
    s3_reply_empty(call, &reply);
    return 0;
}

/* ---- many ------------------------------------------------------------------------------------ */

struct removal {
    struct str key;
    bool versioned;
};

static int malformed(struct s3_call *call)
{
    return s3_fault_set(&call->fault, S3_MALFORMED_XML,
                        "The XML you provided was not well-formed or did not validate against our "
                        "published schema.");
}

static int read_list(struct s3_call *call, struct str text, struct removal **out, size_t *count,
                     bool *quiet)
{
    struct xml_element *root;
    if (xml_parse(text, 5 * KEYS_MAX + 16, call->arena, &root, &call->fault.error) != 0 ||
        !str_equal_cstr(root->name, "Delete"))
        return malformed(call);
    *out = ARENA_ARRAY(call->arena, struct removal, KEYS_MAX);
    *count = 0;
    *quiet = false;
    for (const struct xml_element *e = root->children; e != NULL; e = e->next) {
        if (str_equal_cstr(e->name, "Quiet")) {
            *quiet = str_equal_cstr(e->text, "true");
            continue;
        }
        struct str key = xml_text(e, "Key");
        size_t members = 0;
        for (const struct xml_element *m = e->children; m != NULL; m = m->next)
            members += str_equal_cstr(m->name, "Key");
        if (!str_equal_cstr(e->name, "Object") || members != 1 || key.len == 0 ||
            *count == KEYS_MAX)
            return malformed(call);
        if (key.len > S3_KEY_BYTES_MAX) /* the answer repeats keys, and has bounds */
            return s3_fault_set(&call->fault, S3_KEY_TOO_LONG, "Your key is too long.");
        (*out)[(*count)++] = (struct removal){key, xml_child(e, "VersionId") != NULL};
    }
    return *count == 0 ? malformed(call) : 0;
}

/* The list must be bound to the request by more than its length (contract/reliability.md S04). */
static int judge_binding(struct s3_call *call)
{
    if (call->identity.payload != S3_PAYLOAD_UNSIGNED)
        return 0;
    for (int i = 0; i < S3_CHECKSUM_KIND_COUNT; i++)
        if (s3_call_header(call, s3_checksum_header((enum s3_checksum_kind)i)).ptr != NULL)
            return 0;
    return s3_fault_set(&call->fault, S3_INVALID_REQUEST,
                        "Missing required header for this request: Content-MD5");
}

static void remove_one(const struct s3_call *call, const struct removal *one, bool quiet,
                       struct buf *xml)
{
    struct s3_fault fault = {0};
    struct str location;
    int rc = -1;
    if (one->versioned)
        s3_fault_set(&fault, S3_NOT_IMPLEMENTED, "There are no versions of objects here.");
    else if (locate(call, one->key, &location, &fault) == 0)
        rc = remove_key(call, one->key, location, &fault);
    if (rc == 0 && quiet)
        return;
    buf_add_cstr(xml, rc == 0 ? "<Deleted>" : "<Error>");
    xml_write(xml, "Key", one->key);
    if (rc != 0) {
        xml_write(xml, "Code", str_cstr(s3_code_text(fault.code)));
        xml_write(xml, "Message", str_cstr(fault.error.message));
    }
    buf_add_cstr(xml, rc == 0 ? "</Deleted>" : "</Error>");
}

static bool same_directory(struct str a, struct str b)
{
    const char *end = memrchr(a.ptr, '/', a.len);
    size_t len = end == NULL ? 0 : (size_t)(end - a.ptr) + 1;
    return len <= b.len && memcmp(a.ptr, b.ptr, len) == 0 &&
           memchr(b.ptr + len, '/', b.len - len) == NULL;
}

/* The whole list at once, when nothing in it needs a closer look: stores have a call for that. */
static bool remove_together(struct s3_call *call, const struct removal *list, size_t count)
{
    struct str *locations = ARENA_ARRAY(call->arena, struct str, count);
    struct s3_fault ignored;
    for (size_t i = 0; i < count; i++)
        if (list[i].versioned || str_ends_with(list[i].key, STR("/")) ||
            locate(call, list[i].key, &locations[i], &ignored) != 0)
            return false;
    if (file_io_remove_all(call->warehouse->io, locations, count, &ignored.error) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || !same_directory(list[i].key, list[i + 1].key))
            prune(call, list[i].key);
    return true;
}

int serve_delete_objects(struct s3_call *call)
{
    struct buf text, xml = BUF_INIT(S3_LISTING_BYTES_MAX);
    struct removal *list = NULL;
    struct http_reply reply;
    size_t count = 0;
    bool quiet = false;
    if (judge_binding(call) != 0 || s3_call_read_all(call, DOCUMENT_BYTES_MAX, &text) != 0)
        return -1;
    int rc = read_list(call, buf_str(&text), &list, &count, &quiet);
    buf_free(&text);
    if (rc != 0)
        return -1;
    s3_xml_begin(&xml, "DeleteResult");
    bool together = remove_together(call, list, count);
    for (size_t i = 0; i < count; i++) {
        if (!together) {
            remove_one(call, &list[i], quiet, &xml);
        } else if (!quiet) {
            buf_add_cstr(&xml, "<Deleted>");
            xml_write(&xml, "Key", list[i].key);
            buf_add_cstr(&xml, "</Deleted>");
        }
    }
    s3_xml_end(&xml, "DeleteResult");
    s3_reply_begin(call, &reply, 200);
    s3_reply_xml(call, &reply, &xml);
    return 0;
}
