/* Objects as names: list, exists, drop, unregister, rename (rest.md 3.2, 3.6–3.8).
 *
 * 1. What is dropped is exactly the row that was read: id, version and metadata location are
 *    expected, and another's change in between means to read again. So a drop and a commit happen
 *    in one order or the other, and a purge knows the final metadata.
 * 2. No file is touched: a purge is a job written in the transaction of the drop, and so is the
 *    removal of a dropped view's file.
 * 3. The order of checks and the texts are the contract's; clients compare them. */
#include "catalog/mutation.h"
#include "catalog/objects_private.h"
#include "catalog/sweeper.h"

#include <assert.h>

int object_list(struct catalog *catalog, struct warehouse *warehouse, enum object_kind kind,
                const struct namespace_ident *ns, const struct page_request *page,
                struct arena *arena, struct name_list *out, struct error *err)
{
    if (catalog_namespace_must_exist(catalog, warehouse, ns, err) != 0)
        return -1;
    struct object_name in = {
        .warehouse_id = warehouse->id,
        .namespace_key = namespace_key(ns, arena),
        .kind = kind,
    };
    return metastore_object_list(catalog->options.metastore, &in, page, arena, out, err);
}

int object_exists(struct catalog *catalog, struct warehouse *warehouse, enum object_kind kind,
                  const struct identifier *ident, struct error *err)
{
    struct arena *arena = arena_new();
    struct object_row row;
    int result = catalog_object_row(catalog, warehouse, kind, ident, arena, &row, err);
    arena_free(arena);
    return result;
}

/* One use case on an object's name, which may take several tries. */
struct name_change {
    struct catalog *catalog;
    struct warehouse *warehouse;
    const struct caller *caller;
    const struct object_format *format;
    const struct identifier *ident;
    const struct identifier *to;  /* rename */
    bool purge;                   /* drop */
    struct object_version *final; /* unregister: the result */
    struct arena *arena;          /* of one try */
    struct error *err;
    bool again; /* another change came between read and write */
};

static int repeat(int (*once)(struct name_change *use), struct name_change *use)
{
    int result = -1;
    use->arena = arena_new();
    use->again = true;
    for (int attempt = 0; use->again && attempt < MUTATION_ATTEMPTS_MAX; attempt++) {
        mutation_pause(use->catalog, attempt);
        arena_reset(use->arena);
        use->again = false;
        result = once(use);
    }
    if (use->again)
        result = error_set(use->err, ERR_UNAVAILABLE, "%s is changing too fast, try again: %.*s",
                           use->format->name, STR_ARG(identifier_display(use->ident, use->arena)));
    arena_free(use->arena);
    return result;
}

/* A change that expects the name to be exactly the row that was read. */
static struct change change_of_row(enum change_kind kind, const struct name_change *use,
                                   const struct object_row *row)
{
    assert(row->kind == use->format->kind);
    return (struct change){
        .kind = kind,
        .warehouse_id = use->warehouse->id,
        .namespace_key = namespace_key(&use->ident->ns, use->arena),
        .name = use->ident->name,
        .object_kind = use->format->kind,
        .uuid = row->uuid,
        .expect_id = row->id,
        .expect_version = row->version,
        .expect_metadata_location = row->metadata_location,
        .reserve_until_ms =
            kind != CHANGE_OBJECT_DROP
                ? 0
                : place_left_until(use->warehouse, row->kind, use->catalog->options.reserve_ms,
                                   clock_now_ms(use->catalog->options.clock)),
    };
}

/* What the outcome of a change of that row means, for all but the destination of a rename. */
static int finish(struct name_change *use, const struct mutation *mutation,
                  enum change_outcome outcome)
{
    switch (outcome) {
    case CHANGE_APPLIED:
        return 0;
    case CHANGE_MISSING:
        return object_missing(use->format, use->ident, use->err);
    case CHANGE_CONFLICT:
        use->again = true;
        return -1;
    default:
        return mutation_error(mutation, use->err);
    }
}

/* ---- drop ------------------------------------------------------------------------------------ */

/* The metadata file of a dropped view goes with it, unless the view says that files stay. When it
 * cannot be read, nobody knows what it says. */
static bool file_goes(const struct name_change *use, const struct object_row *row)
{
    struct error ignored;
    struct object_version *version;
    struct object_key key =
        object_key_of(use->warehouse, use->format->kind, use->ident, use->arena);
    uint64_t epoch = object_cache_epoch(use->catalog->cache, &key);
    if (row->kind != OBJECT_VIEW ||
        object_from_row(use->catalog, use->warehouse, &key, row, epoch, &version, &ignored) != 0)
        return false;
    struct metadata_head head = use->format->head(&version->metadata);
    bool goes = metadata_property_true(&head, "gc.enabled", true);
    object_version_unref(version);
    return goes;
}

static int drop_once(struct name_change *use)
{
    struct object_row row;
    if (catalog_object_row(use->catalog, use->warehouse, use->format->kind, use->ident, use->arena,
                           &row, use->err) != 0)
        return -1;
    struct mutation mutation = {.change = change_of_row(CHANGE_OBJECT_DROP, use, &row)};
    struct job_row job;
    if (use->purge) {
        job = sweeper_purge_job(use->catalog, &row, use->arena);
        mutation.job = &job;
        mutation.detail = STR("{\"purge\":true}");
    } else if (file_goes(use, &row)) {
        job = sweeper_dropped_file_job(use->catalog, &row, use->arena);
        mutation.job = &job;
    }
    return finish(use, &mutation, mutation_apply(use->catalog, use->caller, &mutation, use->arena));
}

int object_drop(struct catalog *catalog, struct warehouse *warehouse, const struct caller *caller,
                enum object_kind kind, const struct identifier *ident, bool purge,
                struct error *err)
{
    struct name_change use = {.catalog = catalog,
                              .warehouse = warehouse,
                              .caller = caller,
                              .format = object_format(kind),
                              .ident = ident,
                              .purge = purge,
                              .err = err};
    return repeat(drop_once, &use);
}

/* ---- unregister ------------------------------------------------------------------------------ */

static int unregister_once(struct name_change *use)
{
    struct object_version *version;
    if (object_load(use->catalog, use->warehouse, use->format->kind, use->ident, &version,
                    use->err) != 0)
        return -1;
    struct mutation mutation = {
        .change = change_of_row(CHANGE_OBJECT_DROP, use, &version->row),
        .metadata_location = version->row.metadata_location,
    };
    int result =
        finish(use, &mutation, mutation_apply(use->catalog, use->caller, &mutation, use->arena));
    if (result == 0)
        use->final = version;
    else
        object_version_unref(version);
    return result;
}

int object_unregister(struct catalog *catalog, struct warehouse *warehouse,
                      const struct caller *caller, enum object_kind kind,
                      const struct identifier *ident, struct object_version **out,
                      struct error *err)
{
    struct name_change use = {.catalog = catalog,
                              .warehouse = warehouse,
                              .caller = caller,
                              .format = object_format(kind),
                              .ident = ident,
                              .err = err};
    int result = repeat(unregister_once, &use);
    *out = use.final;
    assert((result == 0) == (*out != NULL));
    return result;
}

/* ---- rename ---------------------------------------------------------------------------------- */

/* {"destination":{"namespace":["a","b"],"name":"t"}} */
static struct str rename_detail(const struct identifier *to, struct arena *arena)
{
    json_t *levels = json_array();
    json_t *place = json_object();
    json_t *detail = json_object();
    for (size_t i = 0; i < to->ns.level_count; i++)
        json_array_append_new(levels, json_stringn(to->ns.levels[i].ptr, to->ns.levels[i].len));
    json_object_set_new(place, "namespace", levels);
    json_object_set_new(place, "name", json_stringn(to->name.ptr, to->name.len));
    json_object_set_new(detail, "destination", place);
    struct str text = catalog_json_text(detail, arena);
    json_decref(detail);
    return text;
}

static int destination_taken(const struct name_change *use, enum object_kind by)
{
    return error_set(use->err, ERR_ALREADY_EXISTS, "Cannot rename %.*s to %.*s. %s already exists",
                     STR_ARG(identifier_display(use->ident, use->arena)),
                     STR_ARG(identifier_display(use->to, use->arena)), object_format(by)->name);
}

static int rename_once(struct name_change *use)
{
    struct object_row row;
    if (catalog_object_row(use->catalog, use->warehouse, use->format->kind, use->ident, use->arena,
                           &row, use->err) != 0)
        return -1;
    struct mutation mutation = {
        .change = change_of_row(CHANGE_OBJECT_RENAME, use, &row),
        .detail = rename_detail(use->to, use->arena),
    };
    struct change *change = &mutation.change;
    change->expect_metadata_location = STR_NONE; /* whatever it is, it stays */
    change->expect_version = 0;
    change->to_namespace_key = namespace_key(&use->to->ns, use->arena);
    change->to_name = use->to->name;
    /* To itself: nothing changes, but a repeat with the same key must hear the same. */
    if (str_equal(change->to_name, change->name) &&
        str_equal(change->to_namespace_key, change->namespace_key))
        *change = (struct change){.kind = CHANGE_NOTHING, .warehouse_id = use->warehouse->id};
    else if (catalog_namespace_must_exist(use->catalog, use->warehouse, &use->to->ns, use->err) !=
             0)
        return -1;
    enum change_outcome outcome = mutation_apply(use->catalog, use->caller, &mutation, use->arena);
    switch (outcome) {
    case CHANGE_NAMESPACE_MISSING:
        return error_set(use->err, ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                         STR_ARG(namespace_display(&use->to->ns, use->arena)));
    case CHANGE_EXISTS:
        return destination_taken(use, use->format->kind);
    case CHANGE_EXISTS_OTHER_KIND:
        return destination_taken(use, object_other_kind(use->format->kind));
    default:
        return finish(use, &mutation, outcome);
    }
}

int object_rename(struct catalog *catalog, struct warehouse *warehouse, const struct caller *caller,
                  enum object_kind kind, const struct identifier *from, const struct identifier *to,
                  struct error *err)
{
    struct name_change use = {.catalog = catalog,
                              .warehouse = warehouse,
                              .caller = caller,
                              .format = object_format(kind),
                              .ident = from,
                              .to = to,
                              .err = err};
    return repeat(rename_once, &use);
}
