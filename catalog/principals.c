/* Principals in memory and in the metastore.
 *
 * 1. The list is only ever put on at its head and entries are never freed before close, so readers
 *    walk it without a lock. Changes of it happen one at a time, under catalog->lock.
 * 2. An entry is live exactly while its row is durable: it enters after the row was written, and
 *    is ended after the row is gone or has another secret, before the answer says so.
 * 3. Of one id at most one entry is live, but for the moment in which a newer one has entered and
 *    the older one is being ended. */
#include "catalog/principals.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "catalog/mutation.h"

#define PRINCIPAL_NAME_BYTES_MAX 128
#define SECRET_BYTES 32
#define CLIENT_ID_BYTES 9

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_live(const struct principal *principal)
{
    return !atomic_load_explicit(&principal->ended, memory_order_acquire);
}

static struct principal *find_name(struct catalog *catalog, struct str name)
{
    struct principal *at = atomic_load(&catalog->principals);
    while (at != NULL && (!is_live(at) || !str_equal(at->name, name)))
        at = at->next;
    return at;
}

const struct principal *catalog_principal_find(struct catalog *catalog, int64_t id, int64_t version)
{
    const struct principal *at = atomic_load(&catalog->principals);
    while (at != NULL && (!is_live(at) || at->id != id || at->version != version))
        at = at->next;
    return at;
}

const struct principal *catalog_principal_authenticate(struct catalog *catalog,
                                                       struct str client_id, struct str secret)
{
    static const struct sha256 NOBODY;
    const struct sha256 digest = sha256_of(secret);
    const struct principal *found = NULL;
    for (const struct principal *at = atomic_load(&catalog->principals); at != NULL; at = at->next)
        if (found == NULL && is_live(at) && str_equal(at->client_id, client_id))
            found = at; /* on to the end, as for a client that does not exist */
    bool same = sha256_equal(found == NULL ? &NOBODY : &found->secret_digest, &digest);
    return same ? found : NULL;
}

static int compare_names(const void *a, const void *b)
{
    return str_compare((*(const struct principal *const *)a)->name,
                       (*(const struct principal *const *)b)->name);
}

void catalog_principal_list(struct catalog *catalog, struct arena *arena,
                            const struct principal ***out, size_t *count)
{
    const struct principal *first = atomic_load(&catalog->principals);
    size_t capacity = 0;
    for (const struct principal *at = first; at != NULL; at = at->next)
        capacity++;
    *out = ARENA_ARRAY(arena, const struct principal *, capacity);
    *count = 0;
    for (const struct principal *at = first; at != NULL; at = at->next)
        if (is_live(at))
            (*out)[(*count)++] = at;
    if (*count > 1)
        qsort(*out, *count, sizeof(**out), compare_names);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The reason to refuse the name, or NULL. */
static const char *bad_name(struct str name)
{
    static const char *const RESERVED[] = {"anonymous", "operator", "firn"};
    if (name.len == 0 || name.len > PRINCIPAL_NAME_BYTES_MAX)
        return "it must have 1 to 128 characters";
    for (size_t i = 0; i < name.len; i++)
        if (!is_alphanumeric(name.ptr[i]) &&
            (name.ptr[i] == '\0' || strchr("_.@-", name.ptr[i]) == NULL))
            return "only letters, digits, '_', '.', '@' and '-' are allowed";
    if (!is_alphanumeric(name.ptr[0]))
        return "it must begin with a letter or a digit";
    for (size_t i = 0; i < sizeof(RESERVED) / sizeof(RESERVED[0]); i++)
        if (str_equal_ignore_case(name, str_cstr(RESERVED[i])))
            return "the word is reserved";
    return NULL;
}

static int check_name(struct str name, struct error *err)
{
    const char *why = bad_name(name);
    if (why == NULL)
        return 0;
    struct str shown = str_is_utf8(name) ? str_utf8_cut(name, PRINCIPAL_NAME_BYTES_MAX) : STR("?");
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Invalid principal name '%.*s': %s", STR_ARG(shown),
                     why);
}

static int no_such(struct str name, struct error *err)
{
    struct str shown = str_is_utf8(name) ? str_utf8_cut(name, PRINCIPAL_NAME_BYTES_MAX) : STR("?");
    return error_set(err, ERR_NO_SUCH_PRINCIPAL, "Principal does not exist: %.*s", STR_ARG(shown));
}

static struct str random_text(struct catalog *catalog, size_t bytes, struct arena *arena)
{
    const struct random_source *random = catalog->options.random;
    char *raw = arena_alloc(arena, bytes);
    random->fill(random->arg, raw, bytes);
    return base64url_encode(arena, str_from(raw, bytes));
}

/* ---- changes, all under catalog->lock -------------------------------------------------------- */

static void publish(struct catalog *catalog, const struct principal_row *row)
{
    struct principal *principal = ARENA_NEW(catalog->arena, struct principal);
    *principal = (struct principal){
        .id = row->id,
        .version = row->version,
        .name = arena_str(catalog->arena, row->name),
        .client_id = arena_str(catalog->arena, row->client_id),
        .secret_digest = row->secret_digest,
        .is_admin = row->is_admin,
        .created_ms = row->created_ms,
        .next = atomic_load(&catalog->principals),
    };
    atomic_store(&catalog->principals, principal);
}

static int create(struct catalog *catalog, const struct caller *caller, struct principal_row *row,
                  struct arena *arena, struct error *err)
{
    struct mutation mutation = {
        .change = {.kind = CHANGE_PRINCIPAL_CREATE, .name = row->name, .principal = row},
        .detail = row->is_admin ? STR("{\"admin\":true}") : STR("{}"),
    };
    if (find_name(catalog, row->name) != NULL)
        return error_set(err, ERR_ALREADY_EXISTS, "Principal already exists: %.*s",
                         STR_ARG(row->name));
    enum change_outcome outcome = mutation_apply(catalog, caller, &mutation, arena);
    if (outcome != CHANGE_APPLIED)
        return mutation_error(&mutation, err);
    row->id = mutation.change.id;
    row->version = mutation.change.version;
    publish(catalog, row);
    return 0;
}

int catalog_principal_create(struct catalog *catalog, const struct caller *caller, struct str name,
                             bool is_admin, struct arena *arena, struct credential *out,
                             struct error *err)
{
    if (check_name(name, err) != 0)
        return -1;
    out->client_id = random_text(catalog, CLIENT_ID_BYTES, arena);
    out->secret = random_text(catalog, SECRET_BYTES, arena);
    struct principal_row row = {
        .name = name,
        .client_id = out->client_id,
        .secret_digest = sha256_of(out->secret),
        .is_admin = is_admin,
        .created_ms = clock_now_ms(catalog->options.clock),
    };
    pthread_mutex_lock(&catalog->lock);
    int result = create(catalog, caller, &row, arena, err);
    pthread_mutex_unlock(&catalog->lock);
    if (result == 0)
        log_info("principal: created name=%.*s admin=%d", STR_ARG(name), is_admin);
    return result;
}

static int rotate(struct catalog *catalog, const struct caller *caller, struct str name,
                  struct arena *arena, struct credential *out, struct error *err)
{
    struct principal *old = find_name(catalog, name);
    if (old == NULL)
        return no_such(name, err);
    *out = (struct credential){old->client_id, random_text(catalog, SECRET_BYTES, arena)};
    struct principal_row row = {
        .id = old->id,
        .name = old->name,
        .client_id = old->client_id,
        .secret_digest = sha256_of(out->secret),
        .is_admin = old->is_admin,
        .created_ms = old->created_ms,
    };
    struct mutation mutation = {
        .change = {.kind = CHANGE_PRINCIPAL_ROTATE, .name = name, .principal = &row}};
    if (mutation_apply(catalog, caller, &mutation, arena) != CHANGE_APPLIED)
        return mutation_error(&mutation, err);
    assert(mutation.change.id == old->id && mutation.change.version > old->version);
    row.version = mutation.change.version;
    publish(catalog, &row);
    atomic_store(&old->ended, true);
    return 0;
}

int catalog_principal_rotate(struct catalog *catalog, const struct caller *caller, struct str name,
                             struct arena *arena, struct credential *out, struct error *err)
{
    pthread_mutex_lock(&catalog->lock);
    int result = rotate(catalog, caller, name, arena, out, err);
    pthread_mutex_unlock(&catalog->lock);
    if (result == 0)
        log_info("principal: new secret name=%.*s", STR_ARG(name));
    return result;
}

static int drop(struct catalog *catalog, const struct caller *caller, struct str name,
                struct arena *arena, struct error *err)
{
    struct principal *principal = find_name(catalog, name);
    if (principal == NULL)
        return no_such(name, err);
    struct mutation mutation = {.change = {.kind = CHANGE_PRINCIPAL_DROP, .name = name}};
    if (mutation_apply(catalog, caller, &mutation, arena) != CHANGE_APPLIED)
        return mutation_error(&mutation, err);
    atomic_store(&principal->ended, true);
    return 0;
}

int catalog_principal_drop(struct catalog *catalog, const struct caller *caller, struct str name,
                           struct error *err)
{
    struct arena *arena = arena_new();
    pthread_mutex_lock(&catalog->lock);
    int result = drop(catalog, caller, name, arena, err);
    pthread_mutex_unlock(&catalog->lock);
    arena_free(arena);
    if (result == 0)
        log_info("principal: dropped name=%.*s", STR_ARG(name));
    return result;
}

/* ---- open ------------------------------------------------------------------------------------ */

int principals_load(struct catalog *catalog, struct error *err)
{
    struct arena *arena = arena_new();
    struct principal_row *rows;
    size_t count;
    int result = metastore_principal_list(catalog->options.metastore, arena, &rows, &count, err);
    for (size_t i = 0; result == 0 && i < count; i++)
        publish(catalog, &rows[i]);
    arena_free(arena);
    return result;
}

int catalog_signing_keys(struct catalog *catalog, struct arena *arena, struct signing_key_row **out,
                         size_t *count, struct error *err)
{
    const struct catalog_options *options = &catalog->options;
    if (metastore_signing_key_list(options->metastore, arena, out, count, err) != 0)
        return -1;
    if (*count > 0)
        return 0;
    struct signing_key_row key = {.created_ms = clock_now_ms(options->clock)};
    struct change change = {.kind = CHANGE_SIGNING_KEY_ADD, .signing_key = &key};
    struct catalog_change add = {.set = {.changes = &change, .change_count = 1}};
    options->random->fill(options->random->arg, key.bytes, sizeof(key.bytes));
    enum change_outcome outcome = catalog_apply(catalog, &add);
    explicit_bzero(key.bytes, sizeof(key.bytes));
    if (outcome != CHANGE_APPLIED)
        return catalog_outcome_error(&add.set, err);
    return metastore_signing_key_list(options->metastore, arena, out, count, err);
}
