/* Writing a metadata document by copying: elements keep their bytes, runs of them are one memcpy.
 *
 * A run is a row of elements whose texts follow each other in the old document with one ','
 * between: a table with 10,000 snapshots is a handful of runs, long ones on purpose, because a
 * memcpy of megabytes goes around the caches. What is published points into the new bytes; if the
 * buffer moves while it grows, everything published so far moves with it. */
#include "iceberg/table_metadata.h"

#include <assert.h>

#include "base/limits.h"
#include "base/raw_json.h"
#include "iceberg/id_map.h"
#include "iceberg/snapshot.h"

struct writer {
    struct buf *out;
    struct arena *arena;
    struct table_metadata *published; /* NULL: nobody wants to know where the texts are */
    const char *origin;               /* out->ptr when `published` was last right */
};

/* --- published texts follow the buffer ------------------------------------------------------- */

static struct str moved(struct str text, const char *from, const char *to)
{
    assert(text.ptr != NULL);
    return str_from(to + ((uintptr_t)text.ptr - (uintptr_t)from), text.len);
}

static void move_list(struct metadata_list *list, const char *from, const char *to)
{
    for (size_t i = 0; i < list->count; i++) {
        struct metadata_element *element = &list->elements[i];
        size_t offset = (size_t)((uintptr_t)element->key.ptr - (uintptr_t)element->text.ptr);
        if (element->key.ptr != NULL && offset < element->text.len)
            element->key = moved(element->key, from, to);
        element->text = moved(element->text, from, to);
    }
}

static void follow(struct writer *w)
{
    const char *from = w->origin, *to = w->out->ptr;
    struct table_metadata *p = w->published;
    if (p == NULL || from == to)
        return;
    struct metadata_list *lists[] = {
        &p->schemas,    &p->partition_specs,      &p->sort_orders,
        &p->snapshots,  &p->snapshot_log,         &p->metadata_log,
        &p->statistics, &p->partition_statistics, &p->encryption_keys,
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        move_list(lists[i], from, to);
    w->origin = to;
}

/* --- elements ----------------------------------------------------------------------------------
 */

static void publish_elements(struct writer *w, const struct metadata_element *from, size_t count,
                             struct metadata_element *to, const char *at)
{
    const char *start = from[0].text.ptr;
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].text.ptr = at + ((uintptr_t)from[i].text.ptr - (uintptr_t)start);
        if (from[i].key.ptr == NULL)
            continue;
        size_t offset = (size_t)((uintptr_t)from[i].key.ptr - (uintptr_t)from[i].text.ptr);
        if (offset < from[i].text.len)
            to[i].key.ptr = to[i].text.ptr + offset;
        else
            to[i].key = arena_str(w->arena, from[i].key);
    }
}

/* How many elements from the first on lie one behind the other. */
static size_t run_length(const struct metadata_element *elements, size_t count)
{
    size_t n = 1;
    while (n < count) {
        const char *end = elements[n - 1].text.ptr + elements[n - 1].text.len;
        if (elements[n].text.ptr != end + 1 || *end != ',')
            break;
        n++;
    }
    return n;
}

/* Appends the elements, separated by ','; `to` receives them when it is not NULL. */
static void write_elements(struct writer *w, const struct metadata_element *elements, size_t count,
                           struct metadata_list *to)
{
    for (size_t i = 0; i < count;) {
        size_t n = run_length(&elements[i], count - i);
        const struct metadata_element *last = &elements[i + n - 1];
        const char *start = elements[i].text.ptr;
        if (i > 0)
            buf_add_char(w->out, ',');
        size_t len = w->out->len;
        buf_add(w->out, str_from(start, (size_t)(last->text.ptr + last->text.len - start)));
        if (to != NULL && !w->out->overflowed) {
            follow(w);
            publish_elements(w, &elements[i], n, &to->elements[i], w->out->ptr + len);
            to->count = i + n;
        }
        i += n;
    }
}

/* Long lists get some, so that the next commits need not copy them. */
static size_t room_for_appends(size_t count)
{
    size_t room = count / 32;
    return room < FOLD_COMMITS_MAX ? room : FOLD_COMMITS_MAX;
}

static void write_list(struct writer *w, const char *name, const struct metadata_list *list,
                       struct metadata_list *to)
{
    if (to != NULL && list->count > 0)
        *to = metadata_list_new(list->count + room_for_appends(list->count), w->arena);
    buf_add_format(w->out, ",\"%s\":[", name);
    write_elements(w, list->elements, list->count, to);
    if (to != NULL)
        metadata_list_cut(to, to->count);
    buf_add_char(w->out, ']');
}

/* --- the head ------------------------------------------------------------------------------------
 */

static void write_int(struct writer *w, const char *name, int64_t value)
{
    buf_add_format(w->out, ",\"%s\":", name);
    buf_add_int64(w->out, value);
}

static void write_string(struct writer *w, const char *name, struct str value)
{
    buf_add_format(w->out, ",\"%s\":", name);
    raw_json_write_string(w->out, value);
}

static void write_head(struct writer *w, const struct table_metadata *m)
{
    buf_add_format(w->out, "{\"format-version\":%d", m->format_version);
    if (m->table_uuid.ptr != NULL)
        write_string(w, "table-uuid", m->table_uuid);
    write_string(w, "location", m->location);
    if (m->format_version > 1)
        write_int(w, "last-sequence-number", m->last_sequence_number);
    write_int(w, "last-updated-ms", m->last_updated_ms);
    write_int(w, "last-column-id", m->last_column_id);
}

/* v1 readers look at `schema` and `partition-spec` only. */
static void write_layout(struct writer *w, const struct table_metadata *m, struct table_metadata *p)
{
    if (m->format_version == 1) {
        buf_add_cstr(w->out, ",\"schema\":");
        buf_add(w->out, metadata_list_find(&m->schemas, m->current_schema_id)->text);
    }
    write_int(w, "current-schema-id", m->current_schema_id);
    write_list(w, "schemas", &m->schemas, p == NULL ? NULL : &p->schemas);
    if (m->format_version == 1) {
        struct str spec = metadata_list_find(&m->partition_specs, m->default_spec_id)->text;
        buf_add_cstr(w->out, ",\"partition-spec\":");
        buf_add(w->out, raw_json_member(spec, "fields"));
    }
    write_int(w, "default-spec-id", m->default_spec_id);
    write_list(w, "partition-specs", &m->partition_specs, p == NULL ? NULL : &p->partition_specs);
    write_int(w, "last-partition-id", m->last_partition_id);
    write_int(w, "default-sort-order-id", m->default_sort_order_id);
    write_list(w, "sort-orders", &m->sort_orders, p == NULL ? NULL : &p->sort_orders);
}

static void write_properties(struct writer *w, const struct table_metadata *m)
{
    buf_add_cstr(w->out, ",\"properties\":{");
    for (size_t i = 0; i < m->property_count; i++) {
        if (i > 0)
            buf_add_char(w->out, ',');
        raw_json_write_string(w->out, m->properties[i].key);
        buf_add_char(w->out, ':');
        raw_json_write_string(w->out, m->properties[i].value);
    }
    buf_add_char(w->out, '}');
}

static void write_ref(struct writer *w, const struct metadata_ref *ref)
{
    raw_json_write_string(w->out, ref->name);
    buf_add_cstr(w->out, ":{\"snapshot-id\":");
    buf_add_int64(w->out, ref->snapshot_id);
    buf_add_cstr(w->out, ref->is_tag ? ",\"type\":\"tag\"" : ",\"type\":\"branch\"");
    if (ref->min_snapshots_to_keep > 0)
        write_int(w, "min-snapshots-to-keep", ref->min_snapshots_to_keep);
    if (ref->max_snapshot_age_ms > 0)
        write_int(w, "max-snapshot-age-ms", ref->max_snapshot_age_ms);
    if (ref->max_ref_age_ms > 0)
        write_int(w, "max-ref-age-ms", ref->max_ref_age_ms);
    buf_add_char(w->out, '}');
}

static void write_current(struct writer *w, const struct table_metadata *m,
                          struct table_metadata *p)
{
    if (m->current_snapshot_id == SNAPSHOT_NONE && m->format_version >= 3)
        buf_add_cstr(w->out, ",\"current-snapshot-id\":null");
    else
        write_int(w, "current-snapshot-id", m->current_snapshot_id);
    if (m->format_version >= 3)
        write_int(w, "next-row-id", m->next_row_id);
    if (m->encryption_keys.count > 0)
        write_list(w, "encryption-keys", &m->encryption_keys,
                   p == NULL ? NULL : &p->encryption_keys);
    buf_add_cstr(w->out, ",\"refs\":{");
    for (size_t i = 0; i < m->ref_count; i++) {
        if (i > 0)
            buf_add_char(w->out, ',');
        write_ref(w, &m->refs[i]);
    }
    buf_add_char(w->out, '}');
}

static void write_unknown(struct writer *w, const struct table_metadata *m)
{
    for (size_t i = 0; i < m->unknown_count; i++) {
        buf_add_cstr(w->out, ",\"");
        buf_add(w->out, m->unknown_members[i].name);
        buf_add_cstr(w->out, "\":");
        buf_add(w->out, m->unknown_members[i].value);
    }
}

static void write_document(struct writer *w, const struct table_metadata *m,
                           const struct metadata_list *snapshots)
{
    struct table_metadata *p = w->published;
    write_head(w, m);
    write_layout(w, m, p);
    write_properties(w, m);
    write_current(w, m, p);
    write_list(w, "snapshots", snapshots, p == NULL ? NULL : &p->snapshots);
    write_list(w, "statistics", &m->statistics, p == NULL ? NULL : &p->statistics);
    write_list(w, "partition-statistics", &m->partition_statistics,
               p == NULL ? NULL : &p->partition_statistics);
    write_list(w, "snapshot-log", &m->snapshot_log, p == NULL ? NULL : &p->snapshot_log);
    write_list(w, "metadata-log", &m->metadata_log, p == NULL ? NULL : &p->metadata_log);
    write_unknown(w, m);
    buf_add_char(w->out, '}');
}

/* --- publish
 * --------------------------------------------------------------------------------------- */

static size_t list_bytes(const struct metadata_list *list)
{
    size_t bytes = 0;
    for (size_t i = 0; i < list->count; i++)
        bytes += list->elements[i].text.len + 1;
    return bytes;
}

/* About what the document takes; a little more is cheaper than a buffer that moves. */
static size_t document_bytes(const struct table_metadata *m)
{
    size_t bytes = 4096 + m->location.len + 256 * m->ref_count;
    const struct metadata_list *lists[] = {
        &m->schemas,    &m->partition_specs,      &m->sort_orders,
        &m->snapshots,  &m->snapshot_log,         &m->metadata_log,
        &m->statistics, &m->partition_statistics, &m->encryption_keys,
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        bytes += list_bytes(lists[i]);
    for (size_t i = 0; i < m->property_count; i++)
        bytes += m->properties[i].key.len + m->properties[i].value.len + 6;
    for (size_t i = 0; i < m->unknown_count; i++)
        bytes += m->unknown_members[i].name.len + m->unknown_members[i].value.len + 4;
    return bytes;
}

/* Everything but the lists, whose texts are in the document: copies of the small things. */
static void publish_head(const struct table_metadata *draft, struct arena *arena,
                         struct table_metadata *p)
{
    struct metadata_list none = {NULL, 0, 0};
    *p = *draft;
    p->table_uuid = arena_str(arena, draft->table_uuid);
    p->location = arena_str(arena, draft->location);
    p->schemas = p->partition_specs = p->sort_orders = p->snapshots = p->snapshot_log =
        p->metadata_log = p->statistics = p->partition_statistics = p->encryption_keys = none;
    p->refs = ARENA_ARRAY(arena, struct metadata_ref, draft->ref_count);
    for (size_t i = 0; i < draft->ref_count; i++) {
        p->refs[i] = draft->refs[i];
        p->refs[i].name = arena_str(arena, draft->refs[i].name);
    }
    p->properties = ARENA_ARRAY(arena, struct metadata_property, draft->property_count);
    for (size_t i = 0; i < draft->property_count; i++) {
        p->properties[i].key = arena_str(arena, draft->properties[i].key);
        p->properties[i].value = arena_str(arena, draft->properties[i].value);
    }
    p->unknown_members = ARENA_ARRAY(arena, struct metadata_member, draft->unknown_count);
    for (size_t i = 0; i < draft->unknown_count; i++) {
        p->unknown_members[i].name = arena_str(arena, draft->unknown_members[i].name);
        p->unknown_members[i].value = arena_str(arena, draft->unknown_members[i].value);
    }
}

static void assert_invariants(const struct table_metadata *m)
{
    const struct metadata_ref *main_ref = table_metadata_ref(m, STR(REF_MAIN));
    assert(m->format_version >= 1 && m->format_version <= FORMAT_VERSION_MAX);
    assert((main_ref == NULL) == (m->current_snapshot_id == SNAPSHOT_NONE));
    assert(main_ref == NULL || main_ref->snapshot_id == m->current_snapshot_id);
    assert(metadata_list_find(&m->schemas, m->current_schema_id) != NULL);
    assert(metadata_list_find(&m->partition_specs, m->default_spec_id) != NULL);
    assert(metadata_list_find(&m->sort_orders, m->default_sort_order_id) != NULL);
    (void)m;
    (void)main_ref;
}

void table_metadata_publish(const struct table_metadata *draft, struct arena *arena,
                            struct buf *out, struct table_metadata *published)
{
    assert(draft != published);
    assert_invariants(draft);
    buf_reserve(out, document_bytes(draft));
    struct writer w = {out, arena, published, out->ptr};
    publish_head(draft, arena, published);
    write_document(&w, draft, &draft->snapshots);
    if (out->overflowed) {
        *published = (struct table_metadata){0};
        return;
    }
    follow(&w);
    assert(published->snapshots.count == draft->snapshots.count);
}

void table_metadata_write_refs_only(const struct table_metadata *metadata, struct buf *out)
{
    assert_invariants(metadata);
    struct arena *scratch = arena_new();
    struct id_map ids;
    struct metadata_list kept = {NULL, 0, 0};
    id_map_init(&ids, scratch, metadata->ref_count);
    for (size_t i = 0; i < metadata->ref_count; i++)
        id_map_put(&ids, metadata->refs[i].snapshot_id, 1);
    for (size_t i = 0; i < metadata->snapshots.count; i++)
        if (id_map_has(&ids, metadata->snapshots.elements[i].id))
            metadata_list_append(&kept, metadata->snapshots.elements[i], scratch);
    struct writer w = {out, scratch, NULL, NULL};
    write_document(&w, metadata, &kept);
    arena_free(scratch);
}
