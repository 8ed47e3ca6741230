/* Tables: what only they have; the rest is the same for every kind (objects_private.h). */
#include "catalog/tables.h"

#include "catalog/objects_private.h"

#include "base/log.h"

#include <stdatomic.h>

/* ---- loading --------------------------------------------------------------------------------- */

struct object_version *catalog_table_cached(struct catalog *catalog, struct warehouse *warehouse,
                                            const struct identifier *ident)
{
    return object_cached(catalog, warehouse, OBJECT_TABLE, ident);
}

int catalog_table_load(struct catalog *catalog, struct warehouse *warehouse,
                       const struct identifier *ident, struct object_version **out,
                       struct error *err)
{
    return object_load(catalog, warehouse, OBJECT_TABLE, ident, out, err);
}

int catalog_table_load_at(struct catalog *catalog, struct warehouse *warehouse,
                          struct str metadata_location, struct object_version **out,
                          struct error *err)
{
    (void)catalog;
    return object_load_at(warehouse, OBJECT_TABLE, metadata_location, out, err);
}

static struct warehouse *warehouse_around(struct catalog *catalog, const struct location *place)
{
    struct warehouse *at = atomic_load(&catalog->warehouses);
    while (at != NULL && (atomic_load(&at->dropped) || !location_contains(&at->root, place))) {
        at = at->next;
    }
    return at;
}

int catalog_table_load_around(struct catalog *catalog, const struct location *place,
                              struct warehouse **warehouse, struct object_version **out,
                              struct error *err)
{
    struct arena *arena = arena_new();
    struct str at = place->text;
    struct object_row row;
    bool found = false;
    int rc = 0;

    *out = NULL;
    *warehouse = warehouse_around(catalog, place);
    while (rc == 0 && !found && *warehouse != NULL && at.len > (*warehouse)->root.text.len) {
        rc = metastore_object_find_at(catalog->options.metastore, at, arena, &row, &found, err);
        while (at.len > 0 && at.ptr[at.len - 1] != '/') {
            at.len--;
        }
        at.len -= at.len > 0 ? 1 : 0;
    }
    if (rc == 0 && found && row.kind == OBJECT_TABLE && row.warehouse_id == (*warehouse)->id) {
        const struct identifier ident = {.ns = namespace_from_key(row.namespace_key, arena),
                                         .name = row.name};
        rc = catalog_table_load(catalog, *warehouse, &ident, out, err);
    }
    arena_free(arena);
    return rc;
}

/* ---- create and register --------------------------------------------------------------------- */

static int build(struct new_object *new, const struct table_create *create, struct error *err)
{
    const struct catalog_options *options = &new->catalog->options;
    char uuid[UUID_TEXT_BYTES];
    union object_metadata metadata;

    random_uuid4(options->random, uuid);
    if (table_create_build(create, new_object_location(new, create->location, uuid), uuid,
                           clock_now_ms(options->clock), new->arena, &metadata.table, err) != 0) {
        return -1;
    }
    return new_object_build(new, &metadata, create->stage_create, err);
}

/* Some engines (DuckDB) write into a table's directories without making them. */
static void make_directories(const struct new_object *new)
{
    static const char *const names[] = {"metadata", "data"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err = {0};
        struct str directory =
            location_join(new->arena, new->version->metadata.table.location, str_cstr(names[i]));
        if (file_io_make_directory(new->warehouse->io, directory, &err) != 0) {
            log_warn("cannot make a table's directory: %s: %s", err.message, err.detail);
        }
    }
}

int catalog_table_create(struct catalog *catalog, struct warehouse *warehouse,
                         const struct caller *caller, const struct identifier *ident,
                         const struct table_create *create, struct object_version **out,
                         struct error *err)
{
    struct new_object new = new_object_begin(catalog, warehouse, caller, OBJECT_TABLE, ident);

    int rc = new_object_check_name(&new, false, err);
    if (rc == 0) {
        rc = build(&new, create, err);
    }
    if (rc == 0 && !create->stage_create) {
        rc = new_object_store(&new, false, err);
    } else if (rc == 0 && new_object_needs_reservation(&new, create->location)) {
        rc = new_object_reserve(&new, err);
    }
    if (rc == 0) {
        make_directories(&new);
    }
    return new_object_finish(&new, rc, out);
}

int catalog_table_register(struct catalog *catalog, struct warehouse *warehouse,
                           const struct caller *caller, const struct identifier *ident,
                           struct str metadata_location, bool overwrite,
                           struct object_version **out, struct error *err)
{
    struct new_object new = new_object_begin(catalog, warehouse, caller, OBJECT_TABLE, ident);

    return new_object_finish(&new, new_object_register(&new, metadata_location, overwrite, err),
                             out);
}

/* ---- names ----------------------------------------------------------------------------------- */

int catalog_table_list(struct catalog *catalog, struct warehouse *warehouse,
                       const struct namespace_ident *ns, const struct page_request *page,
                       struct arena *arena, struct name_list *out, struct error *err)
{
    return object_list(catalog, warehouse, OBJECT_TABLE, ns, page, arena, out, err);
}

int catalog_table_exists(struct catalog *catalog, struct warehouse *warehouse,
                         const struct identifier *ident, struct error *err)
{
    return object_exists(catalog, warehouse, OBJECT_TABLE, ident, err);
}

int catalog_table_drop(struct catalog *catalog, struct warehouse *warehouse,
                       const struct caller *caller, const struct identifier *ident, bool purge,
                       struct error *err)
{
    return object_drop(catalog, warehouse, caller, OBJECT_TABLE, ident, purge, err);
}

int catalog_table_unregister(struct catalog *catalog, struct warehouse *warehouse,
                             const struct caller *caller, const struct identifier *ident,
                             struct object_version **out, struct error *err)
{
    return object_unregister(catalog, warehouse, caller, OBJECT_TABLE, ident, out, err);
}

int catalog_table_rename(struct catalog *catalog, struct warehouse *warehouse,
                         const struct caller *caller, const struct identifier *from,
                         const struct identifier *to, struct error *err)
{
    return object_rename(catalog, warehouse, caller, OBJECT_TABLE, from, to, err);
}
