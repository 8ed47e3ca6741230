/* What use cases look up first: objects and namespaces by name.
 *
 * 1. A missing namespace on the way to a table is a missing table (rest.md 3.2), of a view alike:
 * engines look for metadata tables such as ns.t.files first and go on only when told "no such
 * table".
 * 2. One indexed read each; nothing is cached here. */
#include "catalog/catalog_private.h"

#include <assert.h>

int catalog_object_find(struct catalog *catalog, struct warehouse *warehouse, enum object_kind kind,
                        const struct identifier *ident, struct arena *arena, struct object_row *out,
                        bool *found, struct error *err)
{
    struct object_name name = {
        .warehouse_id = warehouse->id,
        .namespace_key = namespace_key(&ident->ns, arena),
        .name = ident->name,
        .kind = kind,
    };
    *found = false;
    if (name.namespace_key.len == 0) /* the root holds nothing */
        return 0;
    return metastore_object_find(catalog->options.metastore, &name, arena, out, found, err);
}

int catalog_object_row(struct catalog *catalog, struct warehouse *warehouse, enum object_kind kind,
                       const struct identifier *ident, struct arena *arena, struct object_row *out,
                       struct error *err)
{
    bool found;
    if (catalog_object_find(catalog, warehouse, kind, ident, arena, out, &found, err) != 0)
        return -1;
    if (!found || out->kind != kind)
        return object_missing(object_format(kind), ident, err);
    assert(out->warehouse_id == warehouse->id && out->id > 0);
    return 0;
}

int catalog_namespace_row(struct catalog *catalog, struct warehouse *warehouse,
                          const struct namespace_ident *ns, struct arena *arena,
                          struct namespace_row *out, struct error *err)
{
    struct str key = namespace_key(ns, arena);
    bool found = false;
    if (key.len > 0 && metastore_namespace_find(catalog->options.metastore, warehouse->id, key,
                                                arena, out, &found, err) != 0)
        return -1;
    if (!found)
        return error_set(err, ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                         STR_ARG(namespace_display(ns, arena)));
    return 0;
}

int catalog_namespace_must_exist(struct catalog *catalog, struct warehouse *warehouse,
                                 const struct namespace_ident *ns, struct error *err)
{
    struct arena *arena = arena_new();
    struct namespace_row row;
    int result = catalog_namespace_row(catalog, warehouse, ns, arena, &row, err);
    arena_free(arena);
    return result;
}

int catalog_location_taken(void *catalog, struct str location, const struct place_claim *claim,
                           enum place_state *out, struct error *err)
{
    const struct catalog_options *options = &((struct catalog *)catalog)->options;
    return metastore_location_taken(options->metastore, location, claim, out, err);
}
