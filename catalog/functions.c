/* Functions: what only they have; the rest is the same for every kind (objects_private.h).
 *
 * 1. A function's metadata is never changed here: another version is another file and a new row
 *    version that points to it.
 * 2. A function has no place of its own, so its row names none; a file that is written for it goes
 *    where its metadata says, or to {root}/{levels}/_functions/{name}, and never into the place of
 * a table or view. */
#include "catalog/functions.h"

#include "catalog/metadata_file.h"
#include "catalog/object_location.h"
#include "catalog/objects_private.h"

#define DEFAULT_DIRECTORY "_functions"

int catalog_function_list(struct catalog *catalog, struct warehouse *warehouse,
                          const struct namespace_ident *ns, const struct page_request *page,
                          struct arena *arena, struct name_list *out, struct error *err)
{
    return object_list(catalog, warehouse, OBJECT_FUNCTION, ns, page, arena, out, err);
}

struct object_version *catalog_function_cached(struct catalog *catalog, struct warehouse *warehouse,
                                               const struct identifier *ident)
{
    return object_cached(catalog, warehouse, OBJECT_FUNCTION, ident);
}

/* Of a function, unlike a table, a missing namespace is told as what it is. */
static int explain_missing(struct catalog *catalog, struct warehouse *warehouse,
                           const struct identifier *ident, struct error *err)
{
    struct error why = {0};
    if (err->kind == ERR_NO_SUCH_FUNCTION &&
        catalog_namespace_must_exist(catalog, warehouse, &ident->ns, &why) != 0)
        *err = why;
    return -1;
}

int catalog_function_load(struct catalog *catalog, struct warehouse *warehouse,
                          const struct identifier *ident, struct object_version **out,
                          struct error *err)
{
    if (object_load(catalog, warehouse, OBJECT_FUNCTION, ident, out, err) != 0)
        return explain_missing(catalog, warehouse, ident, err);
    return 0;
}

int catalog_function_drop(struct catalog *catalog, struct warehouse *warehouse,
                          const struct caller *caller, const struct identifier *ident,
                          struct error *err)
{
    if (object_drop(catalog, warehouse, caller, OBJECT_FUNCTION, ident, false, err) != 0)
        return explain_missing(catalog, warehouse, ident, err);
    return 0;
}

/* ---- register -------------------------------------------------------------------------------- */

static struct str default_location(const struct new_object *new)
{
    const struct namespace_ident *ns = &new->ident->ns;
    struct identifier beside = *new->ident;
    beside.ns.levels = ARENA_ARRAY(new->arena, struct str, ns->level_count + 1);
    for (size_t i = 0; i < ns->level_count; i++)
        beside.ns.levels[i] = ns->levels[i];
    beside.ns.levels[beside.ns.level_count++] = STR(DEFAULT_DIRECTORY);
    return object_location_default(new->warehouse, &beside, "", false, new->arena);
}

/* The version that the text makes, with a name for the file it will be written to. */
static int build(struct new_object *new, struct str text, struct error *err)
{
    struct function_metadata metadata;
    struct object_row row = {
        .kind = OBJECT_FUNCTION,
        .warehouse_id = new->warehouse->id,
        .namespace_key = namespace_key(&new->ident->ns, new->arena),
        .name = new->ident->name,
    };
    const struct object_places places = {
        .warehouse = new->warehouse,
        .format = new->format,
        .taken = catalog_location_taken,
        .arg = new->catalog,
    };
    struct str previous = new->existing.id == 0 ? STR_NONE : new->existing.metadata_location;
    char uuid[UUID_TEXT_BYTES];

    random_uuid4(new->catalog->options.random, uuid);
    if (function_metadata_parse(text, new->arena, &metadata, err) != 0)
        return -1;
    struct metadata_head head = function_metadata_head(&metadata);
    if (head.location.len == 0)
        head.location = default_location(new);
    if (free_location_check(&places, head.location, new->arena, err) != 0 ||
        metadata_file_location(&head, false, previous, uuid, new->arena, &row.metadata_location,
                               err) != 0)
        return -1;
    row.uuid = head.uuid;
    return object_version_parse(text, &row, &new->version, err);
}

static int register_text(struct new_object *new, struct str text, bool overwrite, struct error *err)
{
    if (new_object_check_name(new, overwrite, err) != 0 || build(new, text, err) != 0)
        return -1;
    return new_object_store(new, overwrite, err);
}

int catalog_function_register(struct catalog *catalog, struct warehouse *warehouse,
                              const struct caller *caller, const struct identifier *ident,
                              const struct function_source *source, bool overwrite,
                              struct object_version **out, struct error *err)
{
    struct new_object new = new_object_begin(catalog, warehouse, caller, OBJECT_FUNCTION, ident);

    int rc = source->metadata.ptr != NULL
                 ? register_text(&new, source->metadata, overwrite, err)
                 : new_object_register(&new, source->metadata_location, overwrite, err);
    return new_object_finish(&new, rc, out);
}
