/* From a CreateViewRequest to the first metadata of a view.
 *
 * Rules: the first version has id 1 and the only schema id 0, whatever the client sent; column ids
 * are the client's. Not here: where the view lies and whether the name is free. */
#include "iceberg/view_create.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/identifier.h"
#include "iceberg/layout.h"
#include "iceberg/property_edit.h"
#include "iceberg/view_version.h"

#define FIRST_VERSION_ID 1
#define FIRST_SCHEMA_ID 0

enum { NAME, LOCATION, SCHEMA, VIEW_VERSION, PROPERTIES, MEMBER_COUNT };

static const struct member_spec request_members[MEMBER_COUNT] = {
    [NAME] = MEMBER("name", STRING, REQUIRED),
    [LOCATION] = MEMBER("location", STRING, OPTIONAL),
    [SCHEMA] = MEMBER("schema", OBJECT, REQUIRED),
    [VIEW_VERSION] = MEMBER("view-version", OBJECT, REQUIRED),
    [PROPERTIES] = MEMBER("properties", STRING_MAP, OPTIONAL),
};

int view_create_parse(struct str body, struct arena *arena, struct view_create *out,
                      struct error *err)
{
    struct str values[MEMBER_COUNT];
    *out = (struct view_create){0};
    if (members_read(body, "create view request", request_members, MEMBER_COUNT, values, err) != 0)
        return -1;
    out->name = raw_json_string(values[NAME], arena);
    if (values[LOCATION].ptr != NULL)
        out->location = raw_json_string(values[LOCATION], arena);
    if (out->location.len == 0)
        out->location = STR_NONE;
    out->schema = values[SCHEMA];
    out->view_version = values[VIEW_VERSION];
    out->properties = values[PROPERTIES];
    return name_check(out->name, "view name", err);
}

static int fill_properties(const struct view_create *create, struct arena *arena,
                           struct view_metadata *out, struct error *err)
{
    const struct str values[] = {create->properties, STR_NONE};
    bool changed = false;
    if (create->properties.ptr == NULL)
        return 0;
    struct arena *scratch = arena_new();
    struct property_edit edit = {
        .arena = arena,
        .scratch = scratch,
        .list = &out->properties,
        .count = &out->property_count,
    };
    int result = property_edit_set(&edit, values, &changed, err);
    arena_free(scratch);
    return result;
}

static int fill_version(const struct view_create *create, struct arena *arena,
                        struct view_metadata *out, struct error *err)
{
    struct view_version version;
    if (view_version_read(create->view_version, arena, &version, err) != 0 ||
        view_version_check(&version, err) != 0)
        return -1;
    metadata_list_append(&out->versions,
                         view_version_element(&version, FIRST_VERSION_ID, FIRST_SCHEMA_ID, arena),
                         arena);
    metadata_list_append(&out->version_log,
                         view_log_entry(version.timestamp_ms, FIRST_VERSION_ID, arena), arena);
    out->current_version_id = FIRST_VERSION_ID;
    return 0;
}

int view_create_build(const struct view_create *create, struct str location, const char *uuid,
                      struct arena *arena, struct view_metadata *out, struct error *err)
{
    struct schema schema;
    assert(create->schema.ptr != NULL && uuid != NULL && uuid[0] != '\0');
    *out = (struct view_metadata){
        .format_version = VIEW_FORMAT_VERSION,
        .view_uuid = arena_str(arena, str_cstr(uuid)),
        .location = arena_str(arena, location_without_slashes(location)),
    };
    if (layout_read_schema(create->schema, arena, &schema, err) != 0)
        return -1;
    schema.schema_id = FIRST_SCHEMA_ID;
    metadata_list_append(&out->schemas, layout_schema_element(&schema, arena), arena);
    if (fill_version(create, arena, out, err) != 0 || fill_properties(create, arena, out, err) != 0)
        return -1;
    return view_metadata_check(out, err);
}
