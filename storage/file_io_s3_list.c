/* S3 files: which are there. The rules are in file_io_s3_private.h.
 *
 * 1. A key that no location can name (a "directory" with its slash, odd bytes) is passed over.
 * 2. Pages are asked for with keys percent-encoded, so that XML can hold every key. */
#include "storage/file_io_s3_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/xml.h"

#define PAGE_KEYS_MAX 1000
#define PAGE_BYTES_MAX (8 << 20)
#define PAGE_ELEMENTS_MAX 20000

/* ---- one answer of the store ----------------------------------------------------------------- */

struct listing { /* what is asked for */
    struct str prefix, start_after, token;
    bool by_directory;
    size_t limit;
    struct str location; /* for messages */
};

static struct str url_decoded(struct str text, bool encoded, struct arena *arena)
{
    struct str out;
    if (!encoded || text.len == 0)
        return text.ptr == NULL ? STR("") : text;
    char *spaced = arena_alloc(arena, text.len);
    for (size_t i = 0; i < text.len; i++)
        spaced[i] = text.ptr[i] == '+' ? ' ' : text.ptr[i];
    return s3_uri_decode(str_from(spaced, text.len), arena, &out) ? out : STR("");
}

static size_t make_query(const struct listing *listing, struct arena *arena,
                         struct s3_query_item *out)
{
    size_t count = 0;
#define ADD(name_, value_) out[count++] = (struct s3_query_item){STR(name_), value_, true}
    ADD("list-type", STR("2"));
    ADD("encoding-type", STR("url"));
    ADD("prefix", listing->prefix);
    ADD("max-keys", arena_printf(arena, "%zu", listing->limit));
    if (listing->by_directory)
        ADD("delimiter", STR("/"));
    if (listing->token.len > 0)
        ADD("continuation-token", listing->token);
    else if (listing->start_after.len > 0)
        ADD("start-after", listing->start_after);
#undef ADD
    return count;
}

static int ask(struct file_io_s3 *io, const struct listing *listing, struct arena *arena,
               struct xml_element **out, struct error *err)
{
    struct s3_query_item query[8];
    struct s3_call call = {.method = STR("GET"),
                           .query = query,
                           .query_count = make_query(listing, arena, query),
                           .repeat = S3_REPEAT,
                           .what = "list",
                           .location = listing->location};
    struct s3_answer answer;
    struct buf body = BUF_INIT(PAGE_BYTES_MAX);
    int result = s3_client_call(io->client, &call, arena, &answer, &body, err);
    if (result == 0 && !s3_answer_ok(&answer)) {
        result = s3_answer_error(&answer, &call, err);
        if (err->kind == ERR_FILE_NOT_FOUND)
            err->kind = ERR_UNAVAILABLE; /* there is always a list, if there is a bucket */
    }
    if (result == 0 && xml_parse(buf_str(&body), PAGE_ELEMENTS_MAX, arena, out, err) != 0) {
        error_set(err, ERR_UNAVAILABLE, "Cannot list files: %.*s (the store answers no list)",
                  STR_ARG(listing->location));
        result = -1;
    }
    buf_free(&body);
    return result;
}

/* The key of a file or a directory that a location can name, below the root's prefix; else empty.
 */
static struct str plain_key(struct file_io_s3 *io, struct str key, bool is_directory,
                            struct arena *arena, struct str *location)
{
    struct location parsed;
    struct error ignored;
    struct str name = key;
    if (is_directory && name.len > 0)
        name.len--;
    struct str text = arena_printf(arena, "%.*s://%.*s/%.*s", STR_ARG(io->root.scheme),
                                   STR_ARG(io->root.authority), STR_ARG(name));
    if (name.len == 0 || !str_starts_with(key, io->prefix) ||
        location_parse_file(text, arena, &parsed, &ignored) != 0 || !str_equal(parsed.text, text))
        return STR("");
    *location = parsed.text;
    return str_skip(key, io->prefix.len);
}

static void entry_stat(const struct xml_element *element, struct file_stat *out)
{
    long long bytes = 0;
    *out = (struct file_stat){.modified_ms = s3_time_of_iso(xml_text(element, "LastModified"))};
    if (str_to_int64(xml_text(element, "Size"), &bytes))
        out->bytes = bytes;
    s3_etag_of(xml_text(element, "ETag"), out->etag);
}

static bool is_encoded(const struct xml_element *root)
{
    return str_equal(xml_text(root, "EncodingType"), STR("url"));
}

static struct str next_token(const struct xml_element *root)
{
    bool truncated = str_equal(xml_text(root, "IsTruncated"), STR("true"));
    return truncated ? xml_text(root, "NextContinuationToken") : STR_NONE;
}

/* ---- all below a directory ------------------------------------------------------------------- */

/* false: the caller has seen enough. */
static bool show_all(struct file_io_s3 *io, const struct xml_element *root, struct arena *arena,
                     file_io_list_fn *fn, void *arg)
{
    bool encoded = is_encoded(root);
    for (const struct xml_element *e = root->children; e != NULL; e = e->next) {
        struct file_stat stat;
        struct file_entry entry;
        if (!str_equal(e->name, STR("Contents")))
            continue;
        struct str key = url_decoded(xml_text(e, "Key"), encoded, arena);
        if (plain_key(io, key, false, arena, &entry.location).len == 0)
            continue;
        entry_stat(e, &stat);
        entry.bytes = stat.bytes;
        entry.modified_ms = stat.modified_ms;
        if (!fn(arg, &entry))
            return false;
    }
    return true;
}

int s3_list(struct file_io *base, struct str directory, file_io_list_fn *fn, void *arg,
            struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct arena *arena = arena_new(), *page = arena_new();
    struct s3_path path;
    struct buf token = BUF_INIT(1 << 16);
    int result = s3_path_parse(io, directory, arena, &path, err);
    struct listing listing = {.limit = PAGE_KEYS_MAX};
    if (result == 0) {
        listing.location = path.location;
        listing.prefix =
            path.is_root ? io->prefix : arena_printf(arena, "%.*s/", STR_ARG(path.key));
    }
    bool more = result == 0;
    while (more) {
        struct xml_element *root;
        result = ask(io, &listing, page, &root, err);
        more = result == 0 && show_all(io, root, page, fn, arg);
        if (more) {
            struct str next = next_token(root);
            buf_clear(&token);
            buf_add(&token, next);
            listing.token = buf_str(&token);
            more = next.len > 0;
        }
        arena_reset(page);
    }
    buf_free(&token);
    arena_free(page);
    arena_free(arena);
    return result;
}

/* ---- a page ---------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return str_compare(((const struct file_page_entry *)a)->key,
                       ((const struct file_page_entry *)b)->key);
}

/* Adds the entries of an answer that are after `after`. */
static void add_entries(struct file_io_s3 *io, const struct xml_element *root, struct str after,
                        size_t limit, struct arena *arena, struct file_page *out)
{
    bool encoded = is_encoded(root);
    for (const struct xml_element *e = root->children; e != NULL; e = e->next) {
        bool is_directory = str_equal(e->name, STR("CommonPrefixes"));
        struct str location;
        if ((!is_directory && !str_equal(e->name, STR("Contents"))) || out->count >= limit)
            continue;
        struct str text = xml_text(e, is_directory ? "Prefix" : "Key");
        struct str key =
            plain_key(io, url_decoded(text, encoded, arena), is_directory, arena, &location);
        if (key.len == 0 || (after.len > 0 && str_compare(key, after) <= 0))
            continue;
        struct file_page_entry *entry = &out->entries[out->count++];
        *entry = (struct file_page_entry){.key = key, .is_directory = is_directory};
        if (!is_directory)
            entry_stat(e, &entry->stat);
    }
}

/* A store may show a directory that `after` is in or is once more: it is dropped, and the next
 * answer asked for, so that a page with more to come is never empty. */
int s3_page(struct file_io *base, const struct file_page_request *request, struct arena *arena,
            struct file_page *out, struct error *err)
{
    struct file_io_s3 *io = s3_of(base);
    struct listing listing = {
        .prefix = arena_printf(arena, "%.*s%.*s", STR_ARG(io->prefix), STR_ARG(request->prefix)),
        .by_directory = request->by_directory,
        .limit = request->limit,
        .location = io->root.text,
    };
    if (request->after.len > 0)
        listing.start_after =
            arena_printf(arena, "%.*s%.*s", STR_ARG(io->prefix), STR_ARG(request->after));
    *out =
        (struct file_page){.entries = ARENA_ARRAY(arena, struct file_page_entry, request->limit)};
    do {
        struct xml_element *root;
        if (ask(io, &listing, arena, &root, err) != 0)
            return -1;
        add_entries(io, root, request->after, request->limit, arena, out);
        listing.token = next_token(root);
    } while (out->count == 0 && listing.token.len > 0);
    qsort(out->entries, out->count, sizeof(*out->entries), by_key);
    out->more = listing.token.len > 0;
    assert(!out->more || out->count > 0);
    return 0;
}
