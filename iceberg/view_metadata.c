/* Reading, checking and writing a view's metadata document.
 *
 * What a later version of the format or another program added at the top level is kept. */
#include "iceberg/view_metadata.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/id_map.h"
#include "iceberg/layout.h"
#include "iceberg/view_version.h"

enum {
    VIEW_UUID,
    FORMAT_VERSION,
    LOCATION,
    PROPERTIES,
    SCHEMAS,
    CURRENT_VERSION_ID,
    VERSIONS,
    VERSION_LOG,
    MEMBER_COUNT,
};

static const struct member_spec document_members[MEMBER_COUNT] = {
    [VIEW_UUID] = MEMBER("view-uuid", STRING, REQUIRED),
    [FORMAT_VERSION] = MEMBER("format-version", INT, REQUIRED),
    [LOCATION] = MEMBER("location", STRING, REQUIRED),
    [PROPERTIES] = MEMBER("properties", STRING_MAP, OPTIONAL),
    [SCHEMAS] = MEMBER("schemas", ARRAY, REQUIRED),
    [CURRENT_VERSION_ID] = MEMBER("current-version-id", INT, REQUIRED),
    [VERSIONS] = MEMBER("versions", ARRAY, REQUIRED),
    [VERSION_LOG] = MEMBER("version-log", ARRAY, REQUIRED),
};

struct metadata_head view_metadata_head(const struct view_metadata *metadata)
{
    return (struct metadata_head){
        .uuid = metadata->view_uuid,
        .location = metadata->location,
        .properties = metadata->properties,
        .property_count = metadata->property_count,
    };
}

struct metadata_element view_log_entry(int64_t timestamp_ms, int64_t version_id,
                                       struct arena *arena)
{
    return (struct metadata_element){
        .text = arena_printf(arena, "{\"timestamp-ms\":%lld,\"version-id\":%lld}",
                             (long long)timestamp_ms, (long long)version_id),
        .id = version_id,
        .timestamp_ms = timestamp_ms,
    };
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_schema(struct str object, struct arena *arena, struct metadata_element *out,
                       struct error *err)
{
    struct schema schema;
    struct arena *scratch = arena_new();
    int result = layout_read_schema(object, scratch, &schema, err);
    if (result == 0) {
        struct str id = raw_json_member(object, "schema-id");
        *out = (struct metadata_element){.text = object, .id = schema.schema_id};
        if (id.ptr == NULL || raw_json_kind(id) != RAW_JSON_NUMBER)
            *out = layout_schema_element(&schema, arena);
    }
    arena_free(scratch);
    return result;
}

static int read_version(struct str object, struct arena *arena, struct metadata_element *out,
                        struct error *err)
{
    (void)arena;
    struct view_version version;
    struct arena *scratch = arena_new();
    int result = view_version_read(object, scratch, &version, err);
    if (result == 0)
        *out = (struct metadata_element){
            .text = object, .id = version.version_id, .timestamp_ms = version.timestamp_ms};
    arena_free(scratch);
    return result;
}

static int read_log_entry(struct str object, struct arena *arena, struct metadata_element *out,
                          struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("timestamp-ms", INT, REQUIRED),
        MEMBER("version-id", INT, REQUIRED),
    };
    struct str values[2];
    (void)arena;
    if (members_read(object, "version log entry", members, 2, values, err) != 0)
        return -1;
    *out = (struct metadata_element){
        .text = object, .id = member_int64(values[1]), .timestamp_ms = member_int64(values[0])};
    return 0;
}

static int read_list(struct str array,
                     int (*read)(struct str object, struct arena *arena,
                                 struct metadata_element *out, struct error *err),
                     struct arena *arena, struct metadata_list *out, struct error *err)
{
    struct str text;
    struct metadata_element element = {0};
    struct raw_json_cursor cursor = raw_json_enter(array);
    *out = (struct metadata_list){0};
    while (raw_json_next_element(&cursor, &text)) {
        if (read(text, arena, &element, err) != 0)
            return -1;
        metadata_list_append(out, element, arena);
    }
    return 0;
}

static int check_unique(const struct metadata_list *list, const char *what, struct error *err)
{
    struct id_map ids;
    struct arena *scratch = arena_new();
    int result = 0;
    id_map_init(&ids, scratch, list->count);
    for (size_t i = 0; i < list->count && result == 0; i++)
        if (!id_map_put(&ids, list->elements[i].id, (int64_t)i))
            result =
                error_set(err, ERR_VALIDATION, "Cannot parse view metadata: two %s with id %lld",
                          what, (long long)list->elements[i].id);
    arena_free(scratch);
    return result;
}

static void read_properties(struct str object, struct arena *arena, struct view_metadata *out)
{
    struct str key, value;
    size_t count = 0;
    struct raw_json_cursor cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value))
        count++;
    out->properties = ARENA_ARRAY(arena, struct metadata_property, count);
    cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value))
        out->properties[out->property_count++] =
            (struct metadata_property){raw_json_key(key, arena), raw_json_string(value, arena)};
}

int view_metadata_parse(struct str text, struct arena *arena, struct view_metadata *out,
                        struct error *err)
{
    struct str document, values[MEMBER_COUNT];
    struct unknown_members unknown = {0};
    *out = (struct view_metadata){0};
    if (raw_json_check(text, &document, err) != 0 ||
        members_read_all(document, "view metadata", document_members, MEMBER_COUNT, values, arena,
                         &unknown, err) != 0)
        return -1;
    int64_t format_version = member_int64(values[FORMAT_VERSION]);
    if (format_version != VIEW_FORMAT_VERSION)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read unsupported version %lld",
                         (long long)format_version);
    out->format_version = (int)format_version;
    out->view_uuid = raw_json_string(values[VIEW_UUID], arena);
    out->location = raw_json_string(values[LOCATION], arena);
    out->current_version_id = member_int64(values[CURRENT_VERSION_ID]);
    read_properties(values[PROPERTIES], arena, out);
    if (read_list(values[SCHEMAS], read_schema, arena, &out->schemas, err) != 0 ||
        read_list(values[VERSIONS], read_version, arena, &out->versions, err) != 0 ||
        read_list(values[VERSION_LOG], read_log_entry, arena, &out->version_log, err) != 0 ||
        check_unique(&out->schemas, "schemas", err) != 0 ||
        check_unique(&out->versions, "versions", err) != 0)
        return -1;
    out->unknown_members = unknown.members;
    out->unknown_count = unknown.count;
    return view_metadata_check(out, err);
}

static int64_t schema_id_of(const struct metadata_element *version)
{
    return member_int64(raw_json_member(version->text, "schema-id"));
}

int view_metadata_check(const struct view_metadata *metadata, struct error *err)
{
    const struct metadata_element *current =
        metadata_list_find(&metadata->versions, metadata->current_version_id);
    if (metadata->view_uuid.len == 0)
        return error_set(err, ERR_VALIDATION, "View UUID is required");
    if (metadata->location.len == 0)
        return error_set(err, ERR_VALIDATION, "View location is required");
    if (current == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find current version %lld in view versions",
                         (long long)metadata->current_version_id);
    if (metadata_list_find(&metadata->schemas, schema_id_of(current)) == NULL)
        return error_set(err, ERR_VALIDATION, "Cannot find schema %lld of view version %lld",
                         (long long)schema_id_of(current), (long long)current->id);
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_string(struct buf *out, const char *name, struct str value)
{
    buf_add_format(out, "\"%s\":", name);
    raw_json_write_string(out, value);
}

static void write_properties(struct buf *out, const struct view_metadata *m)
{
    if (m->property_count == 0)
        return;
    buf_add_cstr(out, ",\"properties\":{");
    for (size_t i = 0; i < m->property_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        raw_json_write_string(out, m->properties[i].key);
        buf_add_char(out, ':');
        raw_json_write_string(out, m->properties[i].value);
    }
    buf_add_char(out, '}');
}

static void write_list(struct buf *out, const char *name, const struct metadata_list *list)
{
    buf_add_format(out, ",\"%s\":[", name);
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add(out, list->elements[i].text);
    }
    buf_add_char(out, ']');
}

static void write_document(struct buf *out, const struct view_metadata *m)
{
    buf_add_char(out, '{');
    write_string(out, "view-uuid", m->view_uuid);
    buf_add_format(out, ",\"format-version\":%d,", m->format_version);
    write_string(out, "location", m->location);
    write_properties(out, m);
    write_list(out, "schemas", &m->schemas);
    buf_add_format(out, ",\"current-version-id\":%lld", (long long)m->current_version_id);
    write_list(out, "versions", &m->versions);
    write_list(out, "version-log", &m->version_log);
    for (size_t i = 0; i < m->unknown_count; i++) {
        buf_add_cstr(out, ",\"");
        buf_add(out, m->unknown_members[i].name);
        buf_add_cstr(out, "\":");
        buf_add(out, m->unknown_members[i].value);
    }
    buf_add_char(out, '}');
}

static struct metadata_list copy_list(const struct metadata_list *list, struct arena *arena)
{
    struct metadata_list copy = {NULL, list->count, list->count};
    copy.elements = ARENA_ARRAY(arena, struct metadata_element, list->count);
    for (size_t i = 0; i < list->count; i++) {
        copy.elements[i] = list->elements[i];
        copy.elements[i].text = arena_str(arena, list->elements[i].text);
    }
    return copy;
}

void view_metadata_publish(const struct view_metadata *draft, struct arena *arena, struct buf *out,
                           struct view_metadata *published)
{
    struct error broken;
    assert(draft != published);
    assert(view_metadata_check(draft, &broken) == 0);
    (void)broken;
    write_document(out, draft);
    *published = *draft;
    published->view_uuid = arena_str(arena, draft->view_uuid);
    published->location = arena_str(arena, draft->location);
    published->schemas = copy_list(&draft->schemas, arena);
    published->versions = copy_list(&draft->versions, arena);
    published->version_log = copy_list(&draft->version_log, arena);
    published->properties = ARENA_ARRAY(arena, struct metadata_property, draft->property_count);
    for (size_t i = 0; i < draft->property_count; i++)
        published->properties[i] =
            (struct metadata_property){arena_str(arena, draft->properties[i].key),
                                       arena_str(arena, draft->properties[i].value)};
    published->unknown_members = ARENA_ARRAY(arena, struct metadata_member, draft->unknown_count);
    for (size_t i = 0; i < draft->unknown_count; i++)
        published->unknown_members[i] =
            (struct metadata_member){arena_str(arena, draft->unknown_members[i].name),
                                     arena_str(arena, draft->unknown_members[i].value)};
}
