/* Delegation of access to the files of one table.
 *
 * 1. No key is made for a place that is not strictly below the warehouse's root.
 * 2. What stands in `config` stands in the one credential as well, and there is a credential
 *    exactly where there are keys: never an empty one.
 * 3. A tag is a digest over everything that shapes the answer but the keys, and over the window in
 *    which they were made: keys of one window live at least until the next one ends. */
#include "catalog/delegation.h"

#include <assert.h>

#include "base/raw_json.h"
#include "catalog/object_location.h"

#define PROPERTIES_ADDED_MAX 8
#define LOCATIONS_MAX (OBJECT_PLACES_MAX + 1) /* and the table's own */
#define GATEWAY_REGION "us-east-1"

struct properties {
    struct property *items;
    size_t count;
};

enum delegation_kind delegation_kind(const struct delegation_request *request)
{
    bool only_keys = request->wants_keys && !request->wants_signatures;
    bool only_signatures = request->wants_signatures && !request->wants_keys;
    struct file_io *io = request->warehouse->io;
    switch (request->warehouse->access) {
    case WAREHOUSE_DIRECT:
        break;
    case WAREHOUSE_VEND:
        return only_signatures && file_io_can_sign(io) ? DELEGATION_SIGNATURES : DELEGATION_KEYS;
    case WAREHOUSE_SIGN:
        return only_keys ? DELEGATION_SIGNER : DELEGATION_SIGNATURES;
    case WAREHOUSE_GATEWAY:
        return DELEGATION_KEYS;
    }
    return str_equal(request->warehouse->root.scheme, STR("file")) ? DELEGATION_NONE
                                                                   : DELEGATION_PLACE;
}

bool delegation_blocks(const struct delegation_request *request)
{
    return request->warehouse->access == WAREHOUSE_VEND &&
           delegation_kind(request) == DELEGATION_KEYS;
}

static bool is_signing(enum delegation_kind kind)
{
    return kind == DELEGATION_SIGNATURES || kind == DELEGATION_SIGNER;
}

/* ---- places ---------------------------------------------------------------------------------- */

static int add_place(const struct warehouse *warehouse, struct str text, struct arena *arena,
                     struct location *places, size_t *count, struct error *err)
{
    struct location *place = &places[*count];
    if (location_parse(location_without_slashes(text), arena, place, err) != 0 ||
        !location_contains(&warehouse->root, place) || str_equal(warehouse->root.text, place->text))
        return error_set(err, ERR_FORBIDDEN,
                         "No access is given to %.*s: it is not inside "
                         "warehouse %.*s",
                         STR_ARG(text), STR_ARG(warehouse->name));
    for (size_t i = 0; i < *count; i++)
        if (location_contains(&places[i], place))
            return 0;
    (*count)++;
    return 0;
}

/* The table's own location first, then what its properties put elsewhere. */
static int find_places(const struct warehouse *warehouse, const struct object_version *table,
                       struct arena *arena, struct location places[LOCATIONS_MAX], size_t *count,
                       struct error *err)
{
    const struct table_metadata *metadata = &table->metadata.table;
    assert(table->row.kind == OBJECT_TABLE);
    *count = 0;
    if (add_place(warehouse, metadata->location, arena, places, count, err) != 0)
        return -1;
    for (size_t i = 0; i < OBJECT_PLACES_MAX; i++) {
        struct str path = table_metadata_property(metadata, object_path_properties[i]);
        if (path.ptr != NULL && add_place(warehouse, path, arena, places, count, err) != 0)
            return -1;
    }
    return 0;
}

int delegation_scope(const struct warehouse *warehouse, const struct object_version *table,
                     bool write, struct str principal, struct arena *arena, struct file_scope *out,
                     struct error *err)
{
    const struct metadata_list *log = &table->metadata.table.metadata_log;
    struct location places[LOCATIONS_MAX];
    struct location file;
    size_t count;
    if (find_places(warehouse, table, arena, places, &count, err) != 0)
        return -1;
    struct str *locations = ARENA_ARRAY(arena, struct str, count);
    struct str *guarded = ARENA_ARRAY(arena, struct str, log->count + 1);
    *out = (struct file_scope){.locations = locations,
                               .location_count = count,
                               .write = write,
                               .guarded = guarded,
                               .session_name = principal};
    for (size_t i = 0; i < count; i++)
        locations[i] = places[i].text;
    for (size_t i = 0; i <= log->count; i++) {
        struct error ignored;
        struct str text = i < log->count ? log->elements[i].key : table->row.metadata_location;
        if (text.len > 0 && location_parse(text, arena, &file, &ignored) == 0)
            guarded[out->guarded_count++] = file.text;
    }
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static int64_t lifetime_ms(const struct delegation_request *request)
{
    const struct delegation_settings *settings = request->settings;
    int64_t left_ms = request->until_ms - clock_now_ms(settings->clock);
    int64_t lifetime = left_ms < settings->key_lifetime_ms ? left_ms : settings->key_lifetime_ms;
    return lifetime < 1 ? 1 : lifetime;
}

static int issue_gateway_keys(const struct delegation_request *request, struct arena *arena,
                              struct file_keys *out, struct error *err)
{
    struct location places[LOCATIONS_MAX];
    struct gateway_grant grant = {
        .warehouse_id = request->warehouse->id,
        .write = request->may_write,
        .principal = request->principal,
        .expires_ms = clock_now_ms(request->settings->clock) + lifetime_ms(request),
    };
    _Static_assert(LOCATIONS_MAX <= GATEWAY_PREFIXES_MAX, "a grant has room for all places");
    if (find_places(request->warehouse, request->table, arena, places, &grant.prefix_count, err) !=
        0)
        return -1;
    for (size_t i = 0; i < grant.prefix_count; i++) {
        struct str key = str_skip(places[i].path, 1);
        assert(key.len > 0); /* strictly below the bucket */
        grant.prefixes[i] = arena_printf(arena, "%.*s/", STR_ARG(key));
    }
    gateway_key_issue(request->settings->gateway_keys, &grant, arena, out);
    return 0;
}

static int make_keys(const struct delegation_request *request, struct arena *arena,
                     struct file_keys *out, struct error *err)
{
    struct file_scope scope;
    if (request->warehouse->access == WAREHOUSE_GATEWAY)
        return issue_gateway_keys(request, arena, out, err);
    if (delegation_scope(request->warehouse, request->table, request->may_write, request->principal,
                         arena, &scope, err) != 0)
        return -1;
    return file_io_vend(request->warehouse->io, &scope, lifetime_ms(request), arena, out, err);
}

/* ---- what clients read ----------------------------------------------------------------------- */

static void add(struct properties *properties, const char *name, struct str value)
{
    properties->items[properties->count++] = (struct property){str_cstr(name), value};
}

static int gateway_properties(const struct delegation_request *request,
                              const struct file_keys *keys, struct arena *arena,
                              struct properties *out, struct error *err)
{
    if (request->public_uri.len == 0)
        return error_set(err, ERR_BAD_REQUEST,
                         "It is not known how clients reach this server: the request has no usable "
                         "Host, and there is no public-uri");
    out->items = ARENA_ARRAY(arena, struct property, 8 + PROPERTIES_ADDED_MAX);
    out->count = 0;
    add(out, "s3.endpoint", request->public_uri);
    add(out, "s3.path-style-access", STR("true"));
    add(out, "s3.region", STR(GATEWAY_REGION));
    add(out, "client.region", STR(GATEWAY_REGION));
    if (keys == NULL)
        return 0;
    add(out, "s3.access-key-id", keys->access_key_id);
    add(out, "s3.secret-access-key", keys->secret_access_key);
    add(out, "s3.session-token", keys->session_token);
    add(out, "s3.session-token-expires-at-ms",
        arena_printf(arena, "%lld", (long long)keys->expires_ms));
    return 0;
}

static int store_properties(const struct delegation_request *request, const struct file_keys *keys,
                            struct arena *arena, struct properties *out, struct error *err)
{
    struct property *items;
    if (request->warehouse->access == WAREHOUSE_GATEWAY)
        return gateway_properties(request, keys, arena, out, err);
    if (file_io_client_properties(request->warehouse->io, keys, arena, &items, &out->count, err) !=
        0)
        return -1;
    out->items = ARENA_ARRAY(arena, struct property, out->count + PROPERTIES_ADDED_MAX);
    if (out->count > 0)
        memcpy(out->items, items, out->count * sizeof(*items));
    return 0;
}

/* Every generation of clients has names of its own for the same (clients.md 28). */
static int add_signer(const struct delegation_request *request, struct arena *arena,
                      struct properties *out, struct error *err)
{
    struct str endpoint = arena_printf(arena, "%.*s/sign", STR_ARG(request->table_path));
    if (request->public_uri.len == 0)
        return error_set(err, ERR_BAD_REQUEST,
                         "It is not known how clients reach this server: the request has no usable "
                         "Host, and there is no public-uri");
    if (delegation_kind(request) == DELEGATION_SIGNATURES)
        add(out, "s3.remote-signing-enabled", STR("true"));
    add(out, "s3.signer", STR("S3V4RestSigner"));
    add(out, "py-io-impl", STR("pyiceberg.io.fsspec.FsspecFileIO"));
    add(out, "s3.signer.uri", request->public_uri);
    add(out, "s3.signer.endpoint", endpoint);
    add(out, "signer.uri", request->public_uri);
    add(out, "signer.endpoint", endpoint);
    return 0;
}

/* All that the answer says; with *keys also those. */
static int all_properties(const struct delegation_request *request, const struct file_keys *keys,
                          struct arena *arena, struct properties *out, struct error *err)
{
    enum delegation_kind kind = delegation_kind(request);
    if (store_properties(request, keys, arena, out, err) != 0)
        return -1;
    if (is_signing(kind))
        return add_signer(request, arena, out, err);
    if (kind == DELEGATION_KEYS)
        add(out, "client.refresh-credentials-endpoint",
            arena_printf(arena, "%.*s/credentials", STR_ARG(request->table_path)));
    return 0;
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* When the keys of this moment were made, coarsely. */
static struct str window(const struct delegation_request *request, struct arena *arena)
{
    const struct delegation_settings *settings = request->settings;
    int64_t now_ms = clock_now_ms(settings->clock);
    if (request->until_ms - now_ms < settings->key_lifetime_ms)
        return arena_printf(arena, "until %lld", (long long)request->until_ms);
    int64_t half_ms = settings->key_lifetime_ms / 2 > 0 ? settings->key_lifetime_ms / 2 : 1;
    return arena_printf(arena, "window %lld", (long long)(now_ms / half_ms));
}

int delegation_etag(const struct delegation_request *request, const char *document_etag,
                    struct arena *arena, const char **out, struct error *err)
{
    enum delegation_kind kind = delegation_kind(request);
    struct properties properties;
    size_t count = 0;
    *out = NULL;
    if (kind == DELEGATION_NONE)
        return 0;
    if (all_properties(request, NULL, arena, &properties, err) != 0)
        return -1;
    struct str *parts = ARENA_ARRAY(arena, struct str, 6 + 2 * properties.count);
    parts[count++] = str_cstr(document_etag);
    parts[count++] = request->warehouse->name;
    parts[count++] = request->principal;
    parts[count++] = request->may_write ? STR("write") : STR("read");
    parts[count++] =
        arena_printf(arena, "%s %d", warehouse_access_name(request->warehouse->access), (int)kind);
    parts[count++] = kind == DELEGATION_KEYS ? window(request, arena) : STR("");
    for (size_t i = 0; i < properties.count; i++) {
        parts[count++] = properties.items[i].name;
        parts[count++] = properties.items[i].value;
    }
    struct sha256 digest = sha256_of_parts(parts, count);
    *out = arena_printf(arena, "\"%.*s\"", STR_ARG(hex_encode(arena, digest.bytes, 12))).ptr;
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_object(const struct properties *properties, struct buf *out)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < properties->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        raw_json_write_string(out, properties->items[i].name);
        buf_add_char(out, ':');
        raw_json_write_string(out, properties->items[i].value);
    }
    buf_add_char(out, '}');
}

static void write_credential(const struct delegation_request *request,
                             const struct properties *properties, struct buf *out)
{
    buf_add(out, STR("\"storage-credentials\":[{\"prefix\":"));
    raw_json_write_string(out, location_without_slashes(request->table->metadata.table.location));
    buf_add(out, STR(",\"config\":"));
    write_object(properties, out);
    buf_add(out, STR("}]"));
}

static int prepare(const struct delegation_request *request, struct arena *arena,
                   struct properties *out, struct error *err)
{
    struct file_keys keys;
    if (delegation_kind(request) != DELEGATION_KEYS)
        return all_properties(request, NULL, arena, out, err);
    if (make_keys(request, arena, &keys, err) != 0)
        return -1;
    return all_properties(request, &keys, arena, out, err);
}

int delegation_write(const struct delegation_request *request, struct arena *arena, struct buf *out,
                     bool *secret, struct error *err)
{
    enum delegation_kind kind = delegation_kind(request);
    struct properties properties = {0};
    if (kind != DELEGATION_NONE && prepare(request, arena, &properties, err) != 0)
        return -1;
    *secret = kind == DELEGATION_KEYS;
    buf_add(out, STR(",\"config\":"));
    write_object(&properties, out);
    if (kind == DELEGATION_KEYS) {
        buf_add_char(out, ',');
        write_credential(request, &properties, out);
    }
    if (kind == DELEGATION_SIGNATURES)
        buf_add(out, STR(",\"remote-signing-config\":{\"properties\":{},\"headers\":{}}"));
    buf_add_char(out, '}');
    return 0;
}

int delegation_write_credentials(const struct delegation_request *request, struct arena *arena,
                                 struct buf *out, struct error *err)
{
    struct properties properties;
    if (delegation_kind(request) != DELEGATION_KEYS) {
        buf_add(out, STR("{\"storage-credentials\":[]}"));
        return 0;
    }
    if (prepare(request, arena, &properties, err) != 0)
        return -1;
    buf_add_char(out, '{');
    write_credential(request, &properties, out);
    buf_add_char(out, '}');
    return 0;
}
