/* Views: what only they have; the rest is the same for every kind (objects_private.h). */
#include "catalog/views.h"

#include "catalog/objects_private.h"

/* ---- loading --------------------------------------------------------------------------------- */

struct object_version *catalog_view_cached(struct catalog *catalog, struct warehouse *warehouse,
                                           const struct identifier *ident)
{
    return object_cached(catalog, warehouse, OBJECT_VIEW, ident);
}

int catalog_view_load(struct catalog *catalog, struct warehouse *warehouse,
                      const struct identifier *ident, struct object_version **out,
                      struct error *err)
{
    return object_load(catalog, warehouse, OBJECT_VIEW, ident, out, err);
}

/* ---- create and register --------------------------------------------------------------------- */

static int build(struct new_object *new, const struct view_create *create, struct error *err)
{
    char uuid[UUID_TEXT_BYTES];
    union object_metadata metadata;

    random_uuid4(new->catalog->options.random, uuid);
    if (view_create_build(create, new_object_location(new, create->location, uuid), uuid,
                          new->arena, &metadata.view, err) != 0)
        return -1;
    return new_object_build(new, &metadata, false, err);
}

int catalog_view_create(struct catalog *catalog, struct warehouse *warehouse,
                        const struct caller *caller, const struct identifier *ident,
                        const struct view_create *create, struct object_version **out,
                        struct error *err)
{
    struct new_object new = new_object_begin(catalog, warehouse, caller, OBJECT_VIEW, ident);

    int rc = new_object_check_name(&new, false, err);
    if (rc == 0)
        rc = build(&new, create, err);
    if (rc == 0)
        rc = new_object_store(&new, false, err);
    return new_object_finish(&new, rc, out);
}

int catalog_view_register(struct catalog *catalog, struct warehouse *warehouse,
                          const struct caller *caller, const struct identifier *ident,
                          struct str metadata_location, struct object_version **out,
                          struct error *err)
{
    struct new_object new = new_object_begin(catalog, warehouse, caller, OBJECT_VIEW, ident);

    return new_object_finish(&new, new_object_register(&new, metadata_location, false, err), out);
}

/* ---- names ----------------------------------------------------------------------------------- */

int catalog_view_list(struct catalog *catalog, struct warehouse *warehouse,
                      const struct namespace_ident *ns, const struct page_request *page,
                      struct arena *arena, struct name_list *out, struct error *err)
{
    return object_list(catalog, warehouse, OBJECT_VIEW, ns, page, arena, out, err);
}

int catalog_view_exists(struct catalog *catalog, struct warehouse *warehouse,
                        const struct identifier *ident, struct error *err)
{
    return object_exists(catalog, warehouse, OBJECT_VIEW, ident, err);
}

int catalog_view_drop(struct catalog *catalog, struct warehouse *warehouse,
                      const struct caller *caller, const struct identifier *ident,
                      struct error *err)
{
    return object_drop(catalog, warehouse, caller, OBJECT_VIEW, ident, false, err);
}

int catalog_view_rename(struct catalog *catalog, struct warehouse *warehouse,
                        const struct caller *caller, const struct identifier *from,
                        const struct identifier *to, struct error *err)
{
    return object_rename(catalog, warehouse, caller, OBJECT_VIEW, from, to, err);
}
