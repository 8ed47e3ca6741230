/* New names: what creating and registering have in common, whatever the kind.
 *
 * Always holds: the file is durable before the row is submitted; a file whose row was refused
 * becomes a job of the sweeper, and one whose outcome is not known stays. */
#include "catalog/metadata_file.h"
#include "catalog/object_location.h"
#include "catalog/objects_private.h"
#include "catalog/orphans.h"

#include "base/failpoint.h"
#include "base/limits.h"

struct new_object new_object_begin(struct catalog *catalog, struct warehouse *warehouse,
                                   const struct caller *caller, enum object_kind kind,
                                   const struct identifier *ident)
{
    return (struct new_object){
        .catalog = catalog,
        .warehouse = warehouse,
        .caller = caller,
        .format = object_format(kind),
        .ident = ident,
        .arena = arena_new(),
    };
}

int new_object_check_name(struct new_object *new, bool overwrite, struct error *err)
{
    bool found = false;

    if (catalog_namespace_must_exist(new->catalog, new->warehouse, &new->ident->ns, err) != 0 ||
        catalog_object_find(new->catalog, new->warehouse, new->format->kind, new->ident, new->arena,
                            &new->existing, &found, err) != 0) {
        return -1;
    }
    if (!found) {
        new->existing.id = 0;
        return 0;
    }
    if (overwrite && new->existing.kind == new->format->kind) {
        return 0;
    }
    return object_name_taken(new->format, new->existing.kind, new->ident, err);
}

/* Is the uuid another object's? Two names for one table would each write what the other one reads,
 * and remove it (reliability.md L06). Of one in another warehouse no name is told. */
static int refuse_known_uuid(struct new_object *new, struct error *err)
{
    struct object_row other;
    struct str uuid = new->format->head(&new->version->metadata).uuid;
    bool found = false;

    if (uuid.len == 0 || new->format->kind == OBJECT_FUNCTION) {
        return 0;
    }
    if (metastore_object_find_uuid(new->catalog->options.metastore, uuid, new->arena, &other,
                                   &found, err) != 0) {
        return -1;
    }
    if (!found || other.id == new->existing.id) {
        return 0;
    }
    const char *name = object_format(other.kind)->name;
    if (other.warehouse_id != new->warehouse->id) {
        return error_set(err, ERR_ALREADY_EXISTS, "%s already exists in another warehouse: %.*s",
                         name, STR_ARG(uuid));
    }
    const struct identifier ident = {.ns = namespace_from_key(other.namespace_key, new->arena),
                                     .name = other.name};
    return error_set(err, ERR_ALREADY_EXISTS, "%s already exists as %.*s: %.*s", name,
                     STR_ARG(identifier_display(&ident, new->arena)), STR_ARG(uuid));
}

static int outcome_error(struct new_object *new, const struct change_set *set, struct error *err)
{
    struct str ns = namespace_display(&new->ident->ns, new->arena);
    struct metadata_head head = new->format->head(&new->version->metadata);
    enum object_kind kind = new->format->kind;

    switch (set->outcome) {
    case CHANGE_EXISTS:
        return object_name_taken(new->format, kind, new->ident, err);
    case CHANGE_EXISTS_OTHER_KIND:
        return object_name_taken(new->format, object_other_kind(kind), new->ident, err);
    case CHANGE_NAMESPACE_MISSING:
        return error_set(err, ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s", STR_ARG(ns));
    case CHANGE_UUID_KNOWN:
        return refuse_known_uuid(new, err) != 0
                   ? -1
                   : error_set(err, ERR_ALREADY_EXISTS,
                               "%s existed a moment ago under another name", new->format->name);
    case CHANGE_LOCATION_TAKEN:
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s: %.*s", new->format->location_overlap,
                         STR_ARG(head.location));
    case CHANGE_APPLIED:
    case CHANGE_CONFLICT:
    case CHANGE_MISSING:
    case CHANGE_NOT_EMPTY:
    case CHANGE_KEY_USED:
    case CHANGE_UNAVAILABLE:
    case CHANGE_UNKNOWN:
        break;
    }
    return catalog_outcome_error(set, err);
}

static struct str holder_of(const struct new_object *new)
{
    return place_holder(new->caller, new->warehouse, new->ident, new->arena);
}

/* One change: create the row, or swing the existing one to the new version. */
static enum change_outcome submit_row(struct new_object *new, struct catalog_change *change)
{
    const struct object_row *row = &new->version->row;
    struct change *c = ARENA_NEW(new->arena, struct change);
    struct history_row *history = ARENA_NEW(new->arena, struct history_row);
    struct idempotency_row *record = ARENA_NEW(new->arena, struct idempotency_row);

    *c = (struct change){
        .kind = new->existing.id == 0 ? CHANGE_OBJECT_CREATE : CHANGE_OBJECT_UPDATE,
        .warehouse_id = new->warehouse->id,
        .namespace_key = row->namespace_key,
        .name = row->name,
        .object_kind = new->format->kind,
        .expect_id = new->existing.id,
        .expect_version = new->existing.version,
        .expect_metadata_location = new->existing.metadata_location,
        .metadata_location = row->metadata_location,
        .uuid = row->uuid,
        .location = row->location,
        .places = new->places.beside,
        .place_count = new->places.beside_count,
        .holder = holder_of(new),
        .reserve_until_ms = new->existing.id == 0
                                ? 0
                                : place_left_until(new->warehouse, new->format->kind,
                                                   new->catalog->options.reserve_ms,
                                                   clock_now_ms(new->catalog->options.clock)),
    };
    *history = catalog_history(new->catalog, new->caller, 0, new->arena);
    memset(change, 0, sizeof *change);
    change->publish = ARENA_NEW(new->arena, struct object_version *);
    change->publish[0] = new->version;
    change->set.changes = c;
    change->set.change_count = 1;
    change->set.history = history;
    change->set.history_count = 1;
    change->set.idempotency = record;
    change->set.idempotency_count =
        catalog_idempotency_success(new->catalog, new->caller, new->warehouse->id,
                                    new->caller->idempotency.body, row->metadata_location, record);
    return catalog_apply(new->catalog, change);
}

/* The new state's places, before any file is written or vended there. */
static int check_places(struct new_object *new, const union object_metadata *metadata,
                        struct error *err)
{
    const struct object_places places = {
        .warehouse = new->warehouse,
        .format = new->format,
        .metadata = metadata,
        .claim = {.own_id = new->existing.id,
                  .uuid = new->format->head(metadata).uuid,
                  .holder = holder_of(new)},
        .taken = catalog_location_taken,
        .arg = new->catalog,
    };

    return object_places_check(&places, new->arena, &new->places, err);
}

/* ---- create ---------------------------------------------------------------------------------- */

struct str new_object_location(const struct new_object *new, struct str asked, const char *uuid)
{
    if (asked.len == 0) {
        return object_location_default(new->warehouse, new->ident, uuid,
                                       new->catalog->options.unique_table_locations, new->arena);
    }
    while (asked.len > 1 && asked.ptr[asked.len - 1] == '/') {
        asked.len--;
    }
    return asked;
}

int new_object_build(struct new_object *new, const union object_metadata *metadata, bool staged,
                     struct error *err)
{
    struct object_row row = {.kind = new->format->kind, .warehouse_id = new->warehouse->id};
    struct metadata_head head = new->format->head(metadata);
    char file_uuid[UUID_TEXT_BYTES];

    random_uuid4(new->catalog->options.random, file_uuid);
    if (check_places(new, metadata, err) != 0) {
        return -1;
    }
    row.location = new->places.location;
    if (!staged && metadata_file_location(&head, new->format->gzip_is_usual, STR_NONE, file_uuid,
                                          new->arena, &row.metadata_location, err) != 0) {
        return -1;
    }
    row.namespace_key = namespace_key(&new->ident->ns, new->arena);
    row.name = new->ident->name;
    row.uuid = head.uuid;
    new->version = object_version_build(metadata, &row);
    return 0;
}

bool new_object_needs_reservation(const struct new_object *new, struct str asked)
{
    bool nobody_could_name_it = asked.len == 0 && new->catalog->options.unique_table_locations;

    return !nobody_could_name_it || new->places.beside_count > 0;
}

int new_object_reserve(struct new_object *new, struct error *err)
{
    const struct object_row *row = &new->version->row;
    const struct catalog_options *options = &new->catalog->options;
    struct change *c = ARENA_NEW(new->arena, struct change);
    struct catalog_change change = {.set = {.changes = c, .change_count = 1}};

    *c = (struct change){
        .kind = CHANGE_LOCATION_RESERVE,
        .warehouse_id = new->warehouse->id,
        .namespace_key = row->namespace_key,
        .name = row->name,
        .object_kind = new->format->kind,
        .uuid = row->uuid,
        .location = row->location,
        .places = new->places.beside,
        .place_count = new->places.beside_count,
        .holder = holder_of(new),
        .reserve_until_ms = clock_now_ms(options->clock) + options->reserve_ms,
    };
    return catalog_apply(new->catalog, &change) == CHANGE_APPLIED
               ? 0
               : outcome_error(new, &change.set, err);
}

static void submit_to_catalog(void *catalog, struct catalog_change *change)
{
    catalog_submit(catalog, change);
}

/* Submits the row until it is clear who has the name. *unknown: the file may be named by it. */
static int submit_until_decided(struct new_object *new, bool overwrite, bool *unknown,
                                struct error *err)
{
    struct catalog_change change;

    *unknown = false;
    for (int attempt = 1;; attempt++) {
        enum change_outcome outcome = submit_row(new, &change);
        if (outcome == CHANGE_APPLIED) {
            return 0;
        }
        bool moved = outcome == CHANGE_CONFLICT || outcome == CHANGE_MISSING ||
                     (outcome == CHANGE_EXISTS && overwrite);
        if (!moved) {
            *unknown = outcome == CHANGE_UNKNOWN;
            return outcome_error(new, &change.set, err);
        }
        if (attempt >= COMMIT_ATTEMPTS_MAX) {
            return error_set(err, ERR_COMMIT_FAILED, "Register lost to concurrent changes");
        }
        if (new_object_check_name(new, overwrite, err) != 0) {
            return -1;
        }
    }
}

int new_object_store(struct new_object *new, bool overwrite, struct error *err)
{
    const struct object_version *version = new->version;
    bool unknown;

    if (FAILPOINT("create_before_put") ||
        metadata_file_write(new->warehouse->io, version->row.metadata_location, version->document,
                            err) != 0) {
        struct error why = *err;
        error_set(err, ERR_UNAVAILABLE, "Cannot write the metadata file of %.*s",
                  STR_ARG(new->ident->name));
        return error_detail(err, "%.400s", why.message);
    }
    (void)FAILPOINT("create_after_put");
    int rc = submit_until_decided(new, overwrite, &unknown, err);
    if (rc != 0 && !unknown) {
        struct job_row job = orphan_job(new->warehouse->id, version->row.metadata_location,
                                        clock_now_ms(new->catalog->options.clock));
        orphans_journal(submit_to_catalog, new->catalog, &job, 1);
    }
    return rc;
}

int new_object_finish(struct new_object *new, int rc, struct object_version **out)
{
    arena_free(new->arena);
    if (rc == 0) {
        *out = new->version;
    } else {
        object_version_unref(new->version);
    }
    return rc;
}

/* ---- register -------------------------------------------------------------------------------- */

static int read_registered(struct new_object *new, struct str metadata_location, struct error *err)
{
    struct object_row row = {
        .kind = new->format->kind,
        .warehouse_id = new->warehouse->id,
        .namespace_key = namespace_key(&new->ident->ns, new->arena),
        .name = new->ident->name,
        .metadata_location = metadata_location,
    };
    char uuid[UUID_TEXT_BYTES];

    if (metadata_location_check(new->warehouse, metadata_location, new->arena, err) != 0 ||
        object_read(new->warehouse, &row, &new->version, err) != 0) {
        return -1;
    }
    struct object_version *version = new->version;
    if (refuse_known_uuid(new, err) != 0 ||
        (new->format->has_place &&check_places(new, &version->metadata, err) != 0)) {
        return -1;
    }
    version->row.location = arena_str(version->arena, new->places.location);
    version->row.uuid = new->format->head(&version->metadata).uuid;
    if (version->row.uuid.len == 0) { /* a v1 file may lack one; the first commit writes it down */
        random_uuid4(new->catalog->options.random, uuid);
        version->row.uuid = arena_str(version->arena, str_cstr(uuid));
    }
    return 0;
}

int new_object_register(struct new_object *new, struct str metadata_location, bool overwrite,
                        struct error *err)
{
    bool unknown;

    if (new_object_check_name(new, overwrite, err) != 0 ||
        read_registered(new, metadata_location, err) != 0) {
        return -1;
    }
    return submit_until_decided(new, overwrite, &unknown, err);
}
