/* The overlap index: which objects lie at a place, in it or around it, with their location or one
 * of their places (object.location, object_place.location), and for whom it is reserved
 * (reservation.location). Asked by changes, inside their transaction, where it decides; and by
 * readers, before anything is written there.
 *
 * 1. No reservation lies at or below an object's location or places, unless it was left there by
 *    that object and is open to it: who comes ends those at and below his place.
 * 2. Time plays no part: a reservation holds until it is removed. */
#include "metastore/metastore_sqlite_location.h"

#include <assert.h>

void sqlite_location_key_of(struct str location, struct sqlite_location_key *key)
{
    key->text = STR_NONE;
    if (location.len == 0)
        return;
    assert(location.len <= LOCATION_BYTES_MAX); /* it is canonical */
    memcpy(key->bytes, location.ptr, location.len);
    size_t len = location.len;
    if (key->bytes[len - 1] != '/')
        key->bytes[len++] = '/';
    key->text = str_from(key->bytes, len);
}

/* Of three values: the object's own id, and the two that open a reservation. */
#define NOT_OWN(id_column) id_column " <> ?3"
#define NOT_RESERVED_FOR "(?4 = '' OR uuid <> ?4) AND (?5 = '' OR holder <> ?5)"

/* Whether the places `from` <= place < `end` hold anything that keeps the claim away. */
static enum place_state state_between(struct sqlite_connection *connection, const char *sql,
                                      struct str from, struct str end,
                                      const struct place_claim *claim)
{
    struct sql_query query = sql_start(connection, sql);
    sql_text(&query, from);
    sql_text(&query, end);
    sql_int(&query, claim->own_id);
    sql_text(&query, claim->uuid);
    sql_text(&query, claim->holder);
    enum place_state state =
        sql_row(&query) ? (enum place_state)sql_get_int(&query, 0) : PLACE_FREE;
    sql_end(&query);
    return state;
}

#define STATE_OF(at)                                                                          \
    "SELECT 1 FROM object WHERE " at                                                          \
    " AND " NOT_OWN("id") " UNION ALL"                                                        \
                          " SELECT 1 FROM object_place WHERE " at                             \
                          " AND " NOT_OWN("object_id") " UNION ALL"                           \
                                                       " SELECT 2 FROM reservation WHERE " at \
                                                       " AND " NOT_RESERVED_FOR
static const char state_at[] = STATE_OF("location = ?1 AND ?2 = ''");
static const char state_below[] = STATE_OF("location >= ?1 AND location < ?2");
static_assert(PLACE_TAKEN == 1 && PLACE_RESERVED == 2, "what the statements say");

/* The first text that no longer begins with the key: '0' follows '/'. */
static struct str end_of(const struct sqlite_location_key *key, char out[static sizeof(key->bytes)])
{
    memcpy(out, key->text.ptr, key->text.len);
    out[key->text.len - 1] = '/' + 1;
    return str_from(out, key->text.len);
}

enum place_state sqlite_location_state(struct sqlite_connection *connection,
                                       const struct sqlite_location_key *key,
                                       const struct place_claim *claim)
{
    struct str text = key->text;
    char end[sizeof(key->bytes)];
    if (text.ptr == NULL)
        return PLACE_FREE;
    enum place_state state = state_between(connection, state_below, text, end_of(key, end), claim);
    size_t at = 0; /* behind scheme:// */
    while (at + 3 < text.len && memcmp(text.ptr + at, "://", 3) != 0)
        at++;
    for (at += 3; state == PLACE_FREE && at + 1 < text.len; at++)
        if (text.ptr[at] == '/')
            state =
                state_between(connection, state_at, str_from(text.ptr, at + 1), STR_NONE, claim);
    return state;
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool is_repeated(const struct change *change, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (str_equal(change->places[j], change->places[i]))
            return true;
    return false;
}

static bool names_place(const struct change *change, struct str key_text)
{
    for (size_t i = 0; i < change->place_count; i++) {
        struct sqlite_location_key key;
        sqlite_location_key_of(change->places[i], &key);
        if (str_equal(key.text, key_text))
            return true;
    }
    return false;
}

bool sqlite_places_taken(struct sqlite_connection *connection, const struct change *change,
                         int64_t own_id)
{
    const struct place_claim claim = sqlite_claim_of(change, own_id);
    for (size_t i = 0; i < change->place_count; i++) {
        struct sqlite_location_key key;
        sqlite_location_key_of(change->places[i], &key);
        if (sqlite_location_state(connection, &key, &claim) != PLACE_FREE)
            return true;
    }
    return false;
}

bool sqlite_places_stay(struct sqlite_connection *connection, const struct change *change,
                        int64_t object_id)
{
    size_t has = 0, wanted = 0;
    bool same = true;
    struct sql_query query =
        sql_start(connection, "SELECT location FROM object_place WHERE object_id = ?");
    sql_int(&query, object_id);
    while (sql_row(&query)) {
        has++;
        same = same && names_place(change, sql_get(&query, 0));
    }
    sql_end(&query);
    for (size_t i = 0; i < change->place_count; i++)
        wanted += !is_repeated(change, i);
    return same && has == wanted;
}

void sqlite_places_write(struct sqlite_connection *writer, const struct change *change,
                         int64_t object_id)
{
    struct sql_query query = sql_start(writer, "DELETE FROM object_place WHERE object_id = ?");
    sql_int(&query, object_id);
    sql_run(&query);
    for (size_t i = 0; change != NULL && i < change->place_count; i++) {
        struct sqlite_location_key key;
        if (is_repeated(change, i))
            continue;
        sqlite_location_key_of(change->places[i], &key);
        query = sql_start(writer, "INSERT INTO object_place (location, object_id) VALUES (?, ?)");
        sql_text(&query, key.text);
        sql_int(&query, object_id);
        sql_run(&query);
    }
}

/* ---- reservations ---------------------------------------------------------------------------- */

static void end_at(struct sqlite_connection *writer, struct str location)
{
    struct sqlite_location_key key;
    char end[sizeof(key.bytes)];
    sqlite_location_key_of(location, &key);
    if (key.text.ptr == NULL)
        return;
    struct sql_query query =
        sql_start(writer, "DELETE FROM reservation WHERE location >= ? AND location < ?");
    sql_text(&query, key.text);
    sql_text(&query, end_of(&key, end));
    sql_run(&query);
}

void sqlite_reservations_end(struct sqlite_connection *writer, const struct change *change)
{
    end_at(writer, change->location);
    for (size_t i = 0; i < change->place_count; i++)
        end_at(writer, change->places[i]);
}

static void reserve_of_object(struct sqlite_connection *writer, const char *sql, int64_t object_id,
                              int64_t until_ms)
{
    struct sql_query query = sql_start(writer, sql);
    sql_int(&query, object_id);
    sql_int(&query, until_ms);
    sql_run(&query);
}

#define RESERVE "INSERT OR REPLACE INTO reservation (location, uuid, holder, expires_ms)"

void sqlite_reserve_location(struct sqlite_connection *writer, int64_t object_id, int64_t until_ms)
{
    reserve_of_object(writer,
                      RESERVE " SELECT location, uuid, '', ?2 FROM object"
                              " WHERE id = ?1 AND location IS NOT NULL",
                      object_id, until_ms);
}

void sqlite_reserve_places(struct sqlite_connection *writer, int64_t object_id, int64_t until_ms)
{
    reserve_of_object(writer,
                      RESERVE " SELECT p.location, o.uuid, '', ?2 FROM object_place p"
                              " JOIN object o ON o.id = p.object_id WHERE p.object_id = ?1",
                      object_id, until_ms);
}

static void reserve_for_change(struct sqlite_connection *writer, const struct change *change,
                               struct str location)
{
    struct sqlite_location_key key;
    sqlite_location_key_of(location, &key);
    struct sql_query query = sql_start(writer, RESERVE " VALUES (?, ?, ?, ?)");
    sql_text(&query, key.text);
    sql_text(&query, change->uuid);
    sql_text(&query, change->holder);
    sql_int(&query, change->reserve_until_ms);
    sql_run(&query);
}

enum change_outcome sqlite_location_reserve(struct change_run *run)
{
    const struct change *change = run->change;
    const struct place_claim claim = sqlite_claim_of(change, 0);
    struct sqlite_location_key key;
    sqlite_location_key_of(change->location, &key);
    if (sqlite_location_state(run->writer, &key, &claim) != PLACE_FREE ||
        sqlite_places_taken(run->writer, change, 0))
        return CHANGE_LOCATION_TAKEN;
    sqlite_reservations_end(run->writer, change); /* the holder's last try */
    reserve_for_change(run->writer, change, change->location);
    for (size_t i = 0; i < change->place_count; i++)
        reserve_for_change(run->writer, change, change->places[i]);
    return CHANGE_APPLIED;
}

/* ---- reading --------------------------------------------------------------------------------- */

int sqlite_object_location_taken(struct metastore *base, struct str location,
                                 const struct place_claim *claim, enum place_state *out,
                                 struct error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct sqlite_location_key key;
    struct sqlite_connection *reader = sqlite_reader_checkout(store, err);
    if (reader == NULL)
        return -1;
    sqlite_location_key_of(location, &key);
    *out = sqlite_location_state(reader, &key, claim);
    return sqlite_reader_checkin(store, reader, err);
}
