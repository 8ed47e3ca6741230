/* Namespaces (rest.md 3.1): list, load, create, drop, properties.
 *
 * 1. Every ancestor of a namespace is a row of its own: creating a.b makes a, in one transaction.
 * 2. Properties are stored as a compact JSON object of strings and are only ever replaced whole,
 *    against the version that was read: of two updates at once none is lost.
 * 3. Whether a namespace is empty is decided by the metastore, in the transaction of the drop. */
#include "catalog/namespaces.h"

#include <assert.h>

#include "base/limits.h"
#include "catalog/mutation.h"

static int no_such_namespace(const struct namespace_ident *ns, struct arena *arena,
                             struct error *err)
{
    return error_set(err, ERR_NO_SUCH_NAMESPACE, "Namespace does not exist: %.*s",
                     STR_ARG(namespace_display(ns, arena)));
}

int catalog_namespace_list(struct catalog *catalog, struct warehouse *warehouse,
                           const struct namespace_ident *parent, const struct page_request *page,
                           struct arena *arena, struct name_list *out, struct error *err)
{
    if (parent->level_count > 0 &&
        catalog_namespace_must_exist(catalog, warehouse, parent, err) != 0)
        return -1;
    struct str key = parent->level_count > 0 ? namespace_key(parent, arena) : STR("");
    return metastore_namespace_list(catalog->options.metastore, warehouse->id, key, page, arena,
                                    out, err);
}

int catalog_namespace_load(struct catalog *catalog, struct warehouse *warehouse,
                           const struct namespace_ident *ns, struct arena *arena,
                           struct str *properties, struct error *err)
{
    struct namespace_row row;
    if (catalog_namespace_row(catalog, warehouse, ns, arena, &row, err) != 0)
        return -1;
    *properties = row.properties;
    return 0;
}

/* ---- properties as JSON ---------------------------------------------------------------------- */

#define SHOWN_BYTES_MAX 200 /* of a property's name, in a message */

static struct str shown(const char *key)
{
    return str_utf8_cut(str_cstr(key), SHOWN_BYTES_MAX);
}

static int check_key(const char *key, struct error *err)
{
    if (strlen(key) > PROPERTY_BYTES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Property name is longer than %d bytes: %.*s",
                         PROPERTY_BYTES_MAX, STR_ARG(shown(key)));
    return 0;
}

static int check_properties(const json_t *properties, const char *what, struct error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(properties))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse %s: not an object", what);
    json_object_foreach((json_t *)properties, key, value)
    {
        if (check_key(key, err) != 0)
            return -1;
        if (!json_is_string(value))
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Cannot parse %s: the value of %.*s is not a string", what,
                             STR_ARG(shown(key)));
        if (json_string_length(value) > PROPERTY_BYTES_MAX)
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "The value of property %.*s is longer than %d bytes",
                             STR_ARG(shown(key)), PROPERTY_BYTES_MAX);
    }
    return 0;
}

static int check_count(const json_t *properties, struct error *err)
{
    if (json_object_size(properties) > PROPERTIES_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "A namespace can have at most %d properties",
                         PROPERTIES_MAX);
    return 0;
}

static int check_removals(const json_t *removals, struct error *err)
{
    if (!json_is_array(removals))
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse removals: not an array");
    for (size_t i = 0; i < json_array_size(removals); i++) {
        const json_t *key = json_array_get(removals, i);
        if (!json_is_string(key))
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Cannot parse removals: element %zu is not a string", i);
        if (check_key(json_string_value(key), err) != 0)
            return -1;
    }
    return 0;
}

/* ---- create and drop ------------------------------------------------------------------------- */

static int create(struct catalog *catalog, struct warehouse *warehouse, const struct caller *caller,
                  const struct namespace_ident *ns, struct str properties, struct arena *arena,
                  struct error *err)
{
    struct mutation mutation = {
        .change = {.kind = CHANGE_NAMESPACE_CREATE,
                   .warehouse_id = warehouse->id,
                   .namespace_key = namespace_key(ns, arena),
                   .properties = properties},
        .detail = properties,
    };
    switch (mutation_apply(catalog, caller, &mutation, arena)) {
    case CHANGE_APPLIED:
        return 0;
    case CHANGE_EXISTS:
        return error_set(err, ERR_ALREADY_EXISTS, "Namespace already exists: %.*s",
                         STR_ARG(namespace_display(ns, arena)));
    case CHANGE_MISSING: /* dropped while this request was on its way */
        return error_set(err, ERR_NO_SUCH_WAREHOUSE, "Warehouse does not exist: %.*s",
                         STR_ARG(warehouse->name));
    default:
        return mutation_error(&mutation, err);
    }
}

int catalog_namespace_create(struct catalog *catalog, struct warehouse *warehouse,
                             const struct caller *caller, const struct namespace_ident *ns,
                             const json_t *properties, struct error *err)
{
    if (namespace_check(ns, err) != 0)
        return -1;
    if (properties != NULL &&
        (check_properties(properties, "properties", err) != 0 || check_count(properties, err) != 0))
        return -1;
    struct arena *arena = arena_new();
    struct str text =
        properties != NULL ? catalog_json_text(properties, arena) : STR(NAMESPACE_EMPTY_PROPERTIES);
    int result = create(catalog, warehouse, caller, ns, text, arena, err);
    arena_free(arena);
    return result;
}

static int drop(struct catalog *catalog, struct warehouse *warehouse, const struct caller *caller,
                const struct namespace_ident *ns, struct arena *arena, struct error *err)
{
    struct mutation mutation = {
        .change = {.kind = CHANGE_NAMESPACE_DROP,
                   .warehouse_id = warehouse->id,
                   .namespace_key = namespace_key(ns, arena)},
    };
    if (ns->level_count == 0)
        return no_such_namespace(ns, arena, err);
    switch (mutation_apply(catalog, caller, &mutation, arena)) {
    case CHANGE_APPLIED:
        return 0;
    case CHANGE_MISSING:
        return no_such_namespace(ns, arena, err);
    case CHANGE_NOT_EMPTY:
        return error_set(err, ERR_NAMESPACE_NOT_EMPTY, "Namespace %.*s is not empty",
                         STR_ARG(namespace_display(ns, arena)));
    default:
        return mutation_error(&mutation, err);
    }
}

int catalog_namespace_drop(struct catalog *catalog, struct warehouse *warehouse,
                           const struct caller *caller, const struct namespace_ident *ns,
                           struct error *err)
{
    struct arena *arena = arena_new();
    int result = drop(catalog, warehouse, caller, ns, arena, err);
    arena_free(arena);
    return result;
}

/* ---- update of properties -------------------------------------------------------------------- */

struct property_update {
    const json_t *removals, *updates; /* NULL: none */
    json_t *properties;               /* as stored, then as they shall be */
    json_t *updated, *removed, *missing;
};

static int check_overlap(const json_t *removals, const json_t *updates, struct error *err)
{
    for (size_t i = 0; i < json_array_size(removals); i++) {
        const char *key = json_string_value(json_array_get(removals, i));
        if (json_object_get(updates, key) != NULL)
            return error_set(err, ERR_UNPROCESSABLE,
                             "Invalid namespace update: cannot simultaneously set and remove "
                             "keys: [%.*s]",
                             STR_ARG(shown(key)));
    }
    return 0;
}

/* Applies removals and updates to update->properties and fills the three lists. */
static void apply_update(struct property_update *update)
{
    const char *key;
    json_t *value;
    json_t *seen = json_object(); /* a key that is removed twice is told once */
    for (size_t i = 0; i < json_array_size(update->removals); i++) {
        json_t *name = json_array_get(update->removals, i);
        key = json_string_value(name);
        if (json_object_get(seen, key) != NULL)
            continue;
        json_object_set_new(seen, key, json_true());
        bool removed = json_object_del(update->properties, key) == 0;
        json_array_append(removed ? update->removed : update->missing, name);
    }
    json_decref(seen);
    json_object_foreach((json_t *)update->updates, key, value)
    {
        json_object_set(update->properties, key, value);
        json_array_append_new(update->updated, json_string(key));
    }
}

static struct str update_result(const struct property_update *update, struct arena *arena)
{
    json_t *result = json_pack("{s:O,s:O,s:O}", "updated", update->updated, "removed",
                               update->removed, "missing", update->missing);
    struct str text = catalog_json_text(result, arena);
    json_decref(result);
    return text;
}

/* Reads the stored text. It was written by this file: anything else is a damaged store. */
static int parse_stored(struct str text, const struct namespace_ident *ns, struct arena *arena,
                        json_t **out, struct error *err)
{
    json_error_t why;
    *out = json_loadb(text.ptr, text.len, 0, &why);
    if (json_is_object(*out))
        return 0;
    json_decref(*out);
    *out = NULL;
    (void)error_set(err, ERR_INTERNAL, "The stored properties of namespace %.*s are unreadable",
                    STR_ARG(namespace_display(ns, arena)));
    return error_detail(err, "%s", why.text);
}

struct update_place {
    struct catalog *catalog;
    struct warehouse *warehouse;
    const struct caller *caller;
    const struct namespace_ident *ns;
    struct arena *arena; /* of one try */
    struct str result;
};

static int write_update(struct update_place *at, const struct namespace_row *row,
                        const struct property_update *update, bool *again, struct error *err)
{
    struct str result = update_result(update, at->arena);
    struct mutation mutation = {
        .change = {.kind = CHANGE_NAMESPACE_PROPERTIES,
                   .warehouse_id = at->warehouse->id,
                   .namespace_key = row->key,
                   .expect_id = row->id,
                   .expect_version = row->version,
                   .properties = catalog_json_text(update->properties, at->arena)},
        .detail = result,
        .body = result,
    };
    if (json_array_size(update->updated) + json_array_size(update->removed) == 0)
        mutation.change.kind = CHANGE_NOTHING;
    switch (mutation_apply(at->catalog, at->caller, &mutation, at->arena)) {
    case CHANGE_APPLIED:
        at->result = result;
        return 0;
    case CHANGE_MISSING:
        return no_such_namespace(at->ns, at->arena, err);
    case CHANGE_CONFLICT:
        *again = true;
        return -1;
    default:
        return mutation_error(&mutation, err);
    }
}

static int update_once(struct update_place *at, const json_t *removals, const json_t *updates,
                       bool *again, struct error *err)
{
    struct namespace_row row;
    struct property_update update = {.removals = removals, .updates = updates};
    if (catalog_namespace_row(at->catalog, at->warehouse, at->ns, at->arena, &row, err) != 0 ||
        parse_stored(row.properties, at->ns, at->arena, &update.properties, err) != 0)
        return -1;
    update.updated = json_array();
    update.removed = json_array();
    update.missing = json_array();
    apply_update(&update);
    int result = check_count(update.properties, err);
    if (result == 0)
        result = write_update(at, &row, &update, again, err);
    json_decref(update.properties);
    json_decref(update.updated);
    json_decref(update.removed);
    json_decref(update.missing);
    return result;
}

int catalog_namespace_update(struct catalog *catalog, struct warehouse *warehouse,
                             const struct caller *caller, const struct namespace_ident *ns,
                             const json_t *removals, const json_t *updates, struct arena *arena,
                             struct str *result, struct error *err)
{
    if ((removals != NULL && check_removals(removals, err) != 0) ||
        (updates != NULL && check_properties(updates, "updates", err) != 0) ||
        check_overlap(removals, updates, err) != 0)
        return -1;
    struct update_place at = {
        .catalog = catalog, .warehouse = warehouse, .caller = caller, .ns = ns};
    bool again = true;
    int outcome = -1;
    at.arena = arena_new();
    for (int attempt = 0; again && attempt < MUTATION_ATTEMPTS_MAX; attempt++) {
        mutation_pause(catalog, attempt);
        again = false;
        arena_reset(at.arena);
        outcome = update_once(&at, removals, updates, &again, err);
    }
    if (outcome == 0)
        *result = arena_str(arena, at.result);
    else if (again)
        (void)error_set(err, ERR_COMMIT_FAILED,
                        "Properties of namespace %.*s are changing too fast, try again",
                        STR_ARG(namespace_display(ns, at.arena)));
    arena_free(at.arena);
    return outcome;
}
