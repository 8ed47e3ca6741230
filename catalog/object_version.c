/* Builds table versions: one buffer holds the reply, the document is a part of it, and the metadata
 * value points into the document.
 *
 * Always holds: `reply.ptr` never moves after the metadata value was made, since its texts point
 * into it; what is built is never changed. */
#include "catalog/object_version.h"

#include "base/digest.h"
#include "catalog/gzip.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/raw_json.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLY_BYTES_MAX (2 * METADATA_FILE_BYTES_MAX)

/* What comes behind the document in a load result: functions have no configuration. */
static struct str reply_tail(enum object_kind kind)
{
    return kind == OBJECT_FUNCTION ? STR("}") : STR(",\"config\":{}}");
}

static struct object_version *version_new(const struct object_row *row)
{
    struct object_version *version = calloc(1, sizeof *version);
    if (version == NULL) {
        log_fatal("out of memory");
    }
    version->references = 1;
    version->arena = arena_new();
    version->row = *row;
    version->row.namespace_key = arena_str(version->arena, row->namespace_key);
    version->row.name = arena_str(version->arena, row->name);
    version->row.uuid = arena_str(version->arena, row->uuid);
    version->row.metadata_location = arena_str(version->arena, row->metadata_location);
    version->row.location = arena_str(version->arena, row->location);
    return version;
}

static void write_head(struct buf *out, struct str metadata_location)
{
    buf_add_char(out, '{');
    if (metadata_location.len > 0) {
        buf_add(out, STR("\"metadata-location\":"));
        raw_json_write_string(out, metadata_location);
        buf_add_char(out, ',');
    }
    buf_add(out, STR("\"metadata\":"));
}

static void fill_etags(struct object_version *version)
{
    static const char *const modes[2] = {"all", "refs"};

    for (size_t i = 0; i < 2; i++) {
        struct str parts[2] = {version->row.metadata_location, str_cstr(modes[i])};
        struct sha256 digest = sha256_of_parts(parts, 2);
        struct str hex = hex_encode(version->arena, digest.bytes, 8);
        snprintf(version->etag[i], sizeof version->etag[i], "\"%.*s\"", STR_ARG(hex));
    }
}

static struct object_version *finish(struct object_version *version, struct buf *reply,
                                     size_t document_at, size_t document_bytes)
{
    size_t capacity = reply->capacity;

    version->reply = buf_str(reply);
    version->document = str_from(reply->ptr + document_at, document_bytes);
    assert(!reply->overflowed);
    assert(document_at + document_bytes + reply_tail(version->row.kind).len == reply->len);
    buf_take(reply); /* the memory is the version's now, freed by object_version_unref */
    fill_etags(version);
    version->bytes = sizeof *version + capacity + arena_bytes(version->arena);
    return version;
}

struct object_version *object_version_build(const union object_metadata *draft,
                                            const struct object_row *row)
{
    struct object_version *version = version_new(row);
    size_t spare = 1024;

    for (;;) {
        struct buf reply = BUF_INIT(REPLY_BYTES_MAX);
        write_head(&reply, row->metadata_location);
        size_t document_at = reply.len;
        buf_reserve(&reply, spare);
        object_format(row->kind)->publish(draft, version->arena, &reply, &version->metadata);
        size_t document_bytes = reply.len - document_at;
        const char *stays = reply.ptr;
        buf_add(&reply, reply_tail(row->kind));
        if (reply.ptr == stays) {
            return finish(version, &reply, document_at, document_bytes);
        }
        /* The tail moved the bytes that the metadata points into: once more, with room for it. */
        spare = document_bytes + reply_tail(row->kind).len + 64;
        buf_free(&reply);
        arena_free(version->arena);
        free(version);
        version = version_new(row);
    }
}

int object_version_parse(struct str document, const struct object_row *row,
                         struct object_version **out, struct error *err)
{
    struct object_version *version = version_new(row);
    struct buf reply = BUF_INIT(REPLY_BYTES_MAX);

    write_head(&reply, row->metadata_location);
    size_t document_at = reply.len;
    buf_add(&reply, document);
    buf_add(&reply, reply_tail(row->kind));
    struct str inside = str_from(reply.ptr + document_at, document.len);
    if (object_format(row->kind)->parse(inside, version->arena, &version->metadata, err) != 0) {
        buf_free(&reply);
        arena_free(version->arena);
        free(version);
        return -1;
    }
    *out = finish(version, &reply, document_at, document.len);
    return 0;
}

void object_version_write_opening(const struct object_version *version, bool refs_only,
                                  struct buf *out)
{
    assert(version->row.kind == OBJECT_TABLE);
    if (refs_only) {
        write_head(out, version->row.metadata_location);
        table_metadata_write_refs_only(&version->metadata.table, out);
        return;
    }
    buf_add(out,
            str_from(version->reply.ptr, version->reply.len - reply_tail(version->row.kind).len));
}

void object_version_write_refs_only(const struct object_version *version, struct buf *out)
{
    write_head(out, version->row.metadata_location);
    assert(version->row.kind == OBJECT_TABLE);
    table_metadata_write_refs_only(&version->metadata.table, out);
    buf_add(out, reply_tail(version->row.kind));
}

struct str object_version_packed(const struct object_version *version)
{
    const struct str *packed = atomic_load_explicit(&version->packed, memory_order_acquire);
    return packed == NULL ? STR_NONE : *packed;
}

size_t object_version_pack(struct object_version *version)
{
    struct buf out = BUF_INIT(version->reply.len);
    struct str *packed = calloc(1, sizeof *packed);
    struct str *none = NULL;
    if (packed == NULL) {
        log_fatal("out of memory");
    }
    if (gzip_deflate(version->reply, &out)) {
        packed->len = out.len;
        packed->ptr = realloc(buf_take(&out), packed->len); /* the bound was far too much */
    }
    buf_free(&out);
    if (!atomic_compare_exchange_strong(&version->packed, &none, packed)) {
        free((char *)packed->ptr);
        free(packed);
        return 0;
    }
    return sizeof *packed + packed->len;
}

void object_version_ref(struct object_version *version)
{
    int before = __atomic_fetch_add(&version->references, 1, __ATOMIC_RELAXED);
    assert(before > 0);
    (void)before;
}

void object_version_unref(void *arg)
{
    struct object_version *version = arg;

    if (version == NULL || __atomic_sub_fetch(&version->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    struct str *packed = atomic_load(&version->packed);
    if (packed != NULL) {
        free((char *)packed->ptr);
        free(packed);
    }
    free((char *)version->reply.ptr);
    arena_free(version->arena);
    free(version);
}
