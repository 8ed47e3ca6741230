/* The changes: one function per kind, run on the writer thread inside a transaction.
 *
 * Each function makes all its checks before its first write and answers with the first that does
 * not hold. What it reads is the newest state, the changes before it in the transaction included.
 * Errors of the database stick to the connection and are asked for by the caller. */
#include "metastore/metastore_sqlite_location.h"

#include <assert.h>

#define LEVEL_SEPARATOR '\x1F'

int64_t sqlite_namespace_levels(struct str key)
{
    assert(key.len > 0);
    int64_t levels = 1;
    for (size_t i = 0; i < key.len; i++)
        levels += key.ptr[i] == LEVEL_SEPARATOR;
    return levels;
}

/* ---- look-ups -------------------------------------------------------------------------------- */

static bool warehouse_exists(struct sqlite_connection *writer, int64_t id)
{
    struct sql_query query = sql_start(writer, "SELECT 1 FROM warehouse WHERE id = ?");
    sql_int(&query, id);
    bool found = sql_row(&query);
    sql_end(&query);
    return found;
}

/* 0 when there is none; *version may be NULL. */
static int64_t namespace_id(struct sqlite_connection *writer, int64_t warehouse_id, struct str key,
                            int64_t *version)
{
    struct sql_query query =
        sql_start(writer, "SELECT id, version FROM namespace"
                          " WHERE warehouse_id = ? AND levels = ? AND key = ?");
    sql_int(&query, warehouse_id);
    sql_int(&query, sqlite_namespace_levels(key));
    sql_text(&query, key);
    bool found = sql_row(&query);
    int64_t id = found ? sql_get_int(&query, 0) : 0;
    if (found && version != NULL)
        *version = sql_get_int(&query, 1);
    sql_end(&query);
    return id;
}

/* The kind of the object that has the name where one of `kind` would have it, 0 when it is free. */
static int64_t name_taken_by(struct sqlite_connection *writer, int64_t in_namespace,
                             struct str name, enum object_kind kind)
{
    struct sql_query query = sql_start(
        writer, "SELECT kind FROM object WHERE namespace_id = ? AND name = ? AND (kind = 3) = ?");
    sql_int(&query, in_namespace);
    sql_text(&query, name);
    sql_int(&query, kind == OBJECT_FUNCTION);
    int64_t taken_by = sql_row(&query) ? sql_get_int(&query, 0) : 0;
    sql_end(&query);
    return taken_by;
}

/* An object as a change of it must know it. */
struct object_state {
    enum object_kind kind;
    bool expected;      /* version and metadata location are those the change expects */
    bool same_location; /* its place is `location_key`, or the change gives none */
    bool same_uuid;
    bool has_places;
};

/* Finds the object with the expected id under the name of the change: by two keys that are
 * integers, this is the look-up that every commit makes. */
static bool find_expected(struct change_run *run, struct str location_key, struct object_state *out)
{
    const struct change *change = run->change;
    struct sql_query query = sql_start(
        run->writer, "SELECT o.kind, o.version, o.history_newest, o.metadata_location,"
                     " o.location, o.uuid, o.name, n.key, n.warehouse_id,"
                     " EXISTS (SELECT 1 FROM object_place WHERE object_id = o.id)"
                     " FROM object o JOIN namespace n ON n.id = o.namespace_id WHERE o.id = ?");
    sql_int(&query, change->expect_id);
    bool found = sql_row(&query) && str_equal(sql_get(&query, 6), change->name) &&
                 str_equal(sql_get(&query, 7), change->namespace_key) &&
                 sql_get_int(&query, 8) == change->warehouse_id;
    if (found) {
        out->kind = (enum object_kind)sql_get_int(&query, 0);
        run->history_before = sql_get_int(&query, 2);
        out->expected = sql_get_int(&query, 1) == change->expect_version &&
                        str_equal(sql_get(&query, 3), change->expect_metadata_location);
        out->same_location =
            location_key.ptr == NULL || str_equal(sql_get(&query, 4), location_key);
        out->same_uuid = change->uuid.ptr == NULL || str_equal(sql_get(&query, 5), change->uuid);
        out->has_places = sql_get_int(&query, 9) != 0;
    }
    sql_end(&query);
    return found;
}

/* Why find_expected found nothing: the name is gone, or is another object's. */
static enum change_outcome not_expected(struct change_run *run)
{
    const struct change *change = run->change;
    int64_t in = namespace_id(run->writer, change->warehouse_id, change->namespace_key, NULL);
    bool taken = in != 0 && name_taken_by(run->writer, in, change->name, change->object_kind) != 0;
    return taken ? CHANGE_CONFLICT : CHANGE_MISSING;
}

/* ---- warehouses ------------------------------------------------------------------------------ */

static enum change_outcome warehouse_create(struct change_run *run)
{
    struct change *change = run->change;
    struct sql_query query = sql_start(run->writer, "SELECT 1 FROM warehouse WHERE name = ?");
    sql_text(&query, change->name);
    bool exists = sql_row(&query);
    sql_end(&query);
    if (exists)
        return CHANGE_EXISTS;
    query =
        sql_start(run->writer, "INSERT INTO warehouse (name, location, options) VALUES (?, ?, ?)");
    sql_text(&query, change->name);
    sql_text(&query, change->location);
    sql_text(&query, change->properties);
    sql_run(&query);
    change->id = sqlite3_last_insert_rowid(run->writer->handle);
    return CHANGE_APPLIED;
}

static enum change_outcome warehouse_drop(struct change_run *run)
{
    struct change *change = run->change;
    struct sql_query query = sql_start(
        run->writer, "SELECT id, EXISTS (SELECT 1 FROM namespace WHERE warehouse_id = warehouse.id)"
                     " FROM warehouse WHERE name = ?");
    sql_text(&query, change->name);
    bool found = sql_row(&query);
    int64_t id = found ? sql_get_int(&query, 0) : 0;
    bool used = found && sql_get_int(&query, 1) != 0;
    sql_end(&query);
    if (!found)
        return CHANGE_MISSING;
    if (used)
        return CHANGE_NOT_EMPTY;
    query = sql_start(run->writer, "DELETE FROM warehouse WHERE id = ?");
    sql_int(&query, id);
    sql_run(&query);
    change->id = id;
    return CHANGE_APPLIED;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static int64_t namespace_insert(struct sqlite_connection *writer, int64_t warehouse_id,
                                struct str key, struct str properties)
{
    struct sql_query query =
        sql_start(writer, "INSERT INTO namespace (warehouse_id, levels, key, properties, version)"
                          " VALUES (?, ?, ?, ?, 1)");
    sql_int(&query, warehouse_id);
    sql_int(&query, sqlite_namespace_levels(key));
    sql_text(&query, key);
    sql_text(&query, properties);
    sql_run(&query);
    return sqlite3_last_insert_rowid(writer->handle);
}

static enum change_outcome namespace_create(struct change_run *run)
{
    struct change *change = run->change;
    struct str key = change->namespace_key;
    if (!warehouse_exists(run->writer, change->warehouse_id))
        return CHANGE_MISSING;
    if (namespace_id(run->writer, change->warehouse_id, key, NULL) != 0)
        return CHANGE_EXISTS;
    for (size_t i = 1; i < key.len; i++) {
        struct str ancestor = str_from(key.ptr, i);
        if (key.ptr[i] == LEVEL_SEPARATOR &&
            namespace_id(run->writer, change->warehouse_id, ancestor, NULL) == 0)
            (void)namespace_insert(run->writer, change->warehouse_id, ancestor,
                                   STR(NAMESPACE_EMPTY_PROPERTIES));
    }
    change->id = namespace_insert(run->writer, change->warehouse_id, key, change->properties);
    change->version = 1;
    return CHANGE_APPLIED;
}

/* Ancestors always exist, so a namespace with anything below it has a child. */
static bool namespace_is_empty(struct change_run *run, int64_t id)
{
    struct sql_query query =
        sql_start(run->writer, "SELECT EXISTS (SELECT 1 FROM object WHERE namespace_id = ?)"
                               " OR EXISTS (SELECT 1 FROM namespace WHERE warehouse_id = ?"
                               " AND levels = ? AND key > ? || char(31) AND key < ? || char(32))");
    struct str key = run->change->namespace_key;
    sql_int(&query, id);
    sql_int(&query, run->change->warehouse_id);
    sql_int(&query, sqlite_namespace_levels(key) + 1);
    sql_text(&query, key);
    sql_text(&query, key);
    bool used = sql_row(&query) && sql_get_int(&query, 0) != 0;
    sql_end(&query);
    return !used;
}

static enum change_outcome namespace_drop(struct change_run *run)
{
    struct change *change = run->change;
    int64_t id =
        namespace_id(run->writer, change->warehouse_id, change->namespace_key, &change->version);
    if (id == 0)
        return CHANGE_MISSING;
    if (!namespace_is_empty(run, id))
        return CHANGE_NOT_EMPTY;
    struct sql_query query = sql_start(run->writer, "DELETE FROM namespace WHERE id = ?");
    sql_int(&query, id);
    sql_run(&query);
    change->id = id;
    return CHANGE_APPLIED;
}

static enum change_outcome namespace_properties(struct change_run *run)
{
    struct change *change = run->change;
    int64_t version = 0;
    int64_t id = namespace_id(run->writer, change->warehouse_id, change->namespace_key, &version);
    if (id == 0)
        return CHANGE_MISSING;
    if (version != change->expect_version)
        return CHANGE_CONFLICT;
    struct sql_query query =
        sql_start(run->writer, "UPDATE namespace SET properties = ?, version = ? WHERE id = ?");
    sql_text(&query, change->properties);
    sql_int(&query, version + 1);
    sql_int(&query, id);
    sql_run(&query);
    change->id = id;
    change->version = version + 1;
    return CHANGE_APPLIED;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* Is there another table or view of that uuid? */
static bool uuid_is_known(struct sqlite_connection *writer, const struct change *change,
                          int64_t own_id)
{
    if (change->object_kind == OBJECT_FUNCTION || change->uuid.len == 0)
        return false;
    struct sql_query query =
        sql_start(writer, "SELECT 1 FROM object WHERE uuid = ? AND kind <> 3 AND id <> ?");
    sql_text(&query, change->uuid);
    sql_int(&query, own_id);
    bool known = sql_row(&query);
    sql_end(&query);
    return known;
}

static bool location_is_free(const struct change_run *run, const struct sqlite_location_key *key,
                             int64_t own_id)
{
    const struct place_claim claim = sqlite_claim_of(run->change, own_id);
    return sqlite_location_state(run->writer, key, &claim) == PLACE_FREE;
}

static enum change_outcome object_create(struct change_run *run)
{
    struct change *change = run->change;
    int64_t in = namespace_id(run->writer, change->warehouse_id, change->namespace_key, NULL);
    if (in == 0)
        return CHANGE_NAMESPACE_MISSING;
    int64_t taken_by = name_taken_by(run->writer, in, change->name, change->object_kind);
    if (taken_by != 0)
        return taken_by == (int64_t)change->object_kind ? CHANGE_EXISTS : CHANGE_EXISTS_OTHER_KIND;
    if (uuid_is_known(run->writer, change, 0))
        return CHANGE_UUID_KNOWN;
    struct sqlite_location_key key;
    sqlite_location_key_of(change->location, &key);
    if (!location_is_free(run, &key, 0) || sqlite_places_taken(run->writer, change, 0))
        return CHANGE_LOCATION_TAKEN;

    struct sql_query query =
        sql_start(run->writer, "INSERT INTO object (namespace_id, kind, name, version,"
                               " history_newest, uuid, metadata_location, location)"
                               " VALUES (?, ?, ?, 1, ?, ?, ?, ?)");
    sql_int(&query, in);
    sql_int(&query, change->object_kind);
    sql_text(&query, change->name);
    sql_int(&query, run->history_newest);
    sql_text(&query, change->uuid);
    sql_text(&query, change->metadata_location);
    sql_text_or_null(&query, key.text);
    sql_run(&query);
    change->id = sqlite3_last_insert_rowid(run->writer->handle);
    change->version = 1;
    if (change->place_count > 0)
        sqlite_places_write(run->writer, change, change->id);
    sqlite_reservations_end(run->writer, change);
    return CHANGE_APPLIED;
}

/* What seldom changes: it costs nothing while it stays. */
static void object_move(struct change_run *run, const struct object_state *object, bool places_stay,
                        struct str location_key)
{
    const struct change *change = run->change;
    int64_t id = change->expect_id;
    if (!object->same_location && change->reserve_until_ms > 0)
        sqlite_reserve_location(run->writer, id, change->reserve_until_ms);
    if (!places_stay && change->reserve_until_ms > 0)
        sqlite_reserve_places(run->writer, id, change->reserve_until_ms);
    sqlite_reservations_end(run->writer, change);
    if (!places_stay)
        sqlite_places_write(run->writer, change, id);
    struct sql_query query =
        sql_start(run->writer, "UPDATE object SET uuid = coalesce(?, uuid),"
                               " location = coalesce(?, location) WHERE id = ?");
    sql_text_or_null(&query, run->change->uuid);
    sql_text_or_null(&query, location_key);
    sql_int(&query, id);
    sql_run(&query);
}

static int64_t history_newest(const struct change_run *run)
{
    return run->history_newest != 0 ? run->history_newest : run->history_before;
}

static enum change_outcome object_update(struct change_run *run)
{
    struct change *change = run->change;
    struct sqlite_location_key key;
    struct object_state object;
    sqlite_location_key_of(change->location, &key);
    if (!find_expected(run, key.text, &object))
        return not_expected(run);
    if (!object.expected)
        return CHANGE_CONFLICT;
    bool places_stay = (!object.has_places && change->place_count == 0) ||
                       sqlite_places_stay(run->writer, change, change->expect_id);
    if (!object.same_uuid && uuid_is_known(run->writer, change, change->expect_id))
        return CHANGE_UUID_KNOWN;
    if (!object.same_location && !location_is_free(run, &key, change->expect_id))
        return CHANGE_LOCATION_TAKEN;
    if (!places_stay && sqlite_places_taken(run->writer, change, change->expect_id))
        return CHANGE_LOCATION_TAKEN;

    if (!object.same_location || !object.same_uuid || !places_stay)
        object_move(run, &object, places_stay, key.text);
    struct sql_query query =
        sql_start(run->writer, "UPDATE object SET version = ?, history_newest = ?,"
                               " metadata_location = ? WHERE id = ?");
    sql_int(&query, change->expect_version + 1);
    sql_int(&query, history_newest(run));
    sql_text(&query, change->metadata_location);
    sql_int(&query, change->expect_id);
    sql_run(&query);
    assert(run->writer->rc != SQLITE_OK || sqlite3_changes(run->writer->handle) == 1);
    change->id = change->expect_id;
    change->version = change->expect_version + 1;
    return CHANGE_APPLIED;
}

static enum change_outcome object_drop(struct change_run *run)
{
    struct change *change = run->change;
    struct object_state object;
    if (!find_expected(run, STR_NONE, &object))
        return not_expected(run);
    if (!object.expected)
        return CHANGE_CONFLICT;
    if (change->reserve_until_ms > 0) {
        sqlite_reserve_location(run->writer, change->expect_id, change->reserve_until_ms);
        sqlite_reserve_places(run->writer, change->expect_id, change->reserve_until_ms);
    }
    if (object.has_places)
        sqlite_places_write(run->writer, NULL, change->expect_id);
    struct sql_query query = sql_start(run->writer, "DELETE FROM object WHERE id = ?");
    sql_int(&query, change->expect_id);
    sql_run(&query);
    change->id = change->expect_id;
    change->version = change->expect_version;
    return CHANGE_APPLIED;
}

static enum change_outcome object_rename(struct change_run *run)
{
    struct change *change = run->change;
    struct object_state object;
    if (!find_expected(run, STR_NONE, &object))
        return not_expected(run);
    int64_t to = namespace_id(run->writer, change->warehouse_id, change->to_namespace_key, NULL);
    if (to == 0)
        return CHANGE_NAMESPACE_MISSING;
    int64_t taken_by = name_taken_by(run->writer, to, change->to_name, object.kind);
    if (taken_by != 0)
        return taken_by == (int64_t)object.kind ? CHANGE_EXISTS : CHANGE_EXISTS_OTHER_KIND;

    struct sql_query query =
        sql_start(run->writer, "UPDATE object SET namespace_id = ?, name = ?, history_newest = ?"
                               " WHERE id = ? RETURNING version");
    sql_int(&query, to);
    sql_text(&query, change->to_name);
    sql_int(&query, history_newest(run));
    sql_int(&query, change->expect_id);
    change->version = sql_row(&query) ? sql_get_int(&query, 0) : 0;
    sql_end(&query);
    change->id = change->expect_id;
    return CHANGE_APPLIED;
}

static enum change_outcome nothing(struct change_run *run)
{
    (void)run;
    return CHANGE_APPLIED;
}

enum change_outcome sqlite_change_apply(struct change_run *run)
{
    static enum change_outcome (*const functions[])(struct change_run *) = {
        [CHANGE_WAREHOUSE_CREATE] = warehouse_create,
        [CHANGE_WAREHOUSE_DROP] = warehouse_drop,
        [CHANGE_NAMESPACE_CREATE] = namespace_create,
        [CHANGE_NAMESPACE_DROP] = namespace_drop,
        [CHANGE_NAMESPACE_PROPERTIES] = namespace_properties,
        [CHANGE_OBJECT_CREATE] = object_create,
        [CHANGE_OBJECT_UPDATE] = object_update,
        [CHANGE_OBJECT_DROP] = object_drop,
        [CHANGE_OBJECT_RENAME] = object_rename,
        [CHANGE_LOCATION_RESERVE] = sqlite_location_reserve,
        [CHANGE_PRINCIPAL_CREATE] = sqlite_principal_create,
        [CHANGE_PRINCIPAL_DROP] = sqlite_principal_drop,
        [CHANGE_PRINCIPAL_ROTATE] = sqlite_principal_rotate,
        [CHANGE_SIGNING_KEY_ADD] = sqlite_signing_key_add,
        [CHANGE_NOTHING] = nothing,
    };
    size_t kind = (size_t)run->change->kind;
    assert(kind < sizeof(functions) / sizeof(functions[0]));
    run->history_before = 0;
    return functions[kind](run);
}
