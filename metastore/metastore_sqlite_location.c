/* The overlap index: which objects lie at a place, in it or around it, with their location or one
 * of their places (object.location, object_place.location). Asked by changes, inside their
 * transaction, where it decides; and by readers, before anything is written there. */
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

static bool other_object_at(struct sqlite_connection *connection, struct str key, int64_t own_id)
{
    struct sql_query query =
        sql_start(connection, "SELECT 1 FROM object WHERE location = ?1 AND id <> ?2 UNION ALL"
                              " SELECT 1 FROM object_place WHERE location = ?1"
                              " AND object_id <> ?2");
    sql_text(&query, key);
    sql_int(&query, own_id);
    bool found = sql_row(&query);
    sql_end(&query);
    return found;
}

static bool other_object_below(struct sqlite_connection *connection,
                               const struct sqlite_location_key *key, int64_t own_id)
{
    /* '0' follows '/': the first text that no longer begins with the key. */
    char end[sizeof(key->bytes)];
    memcpy(end, key->text.ptr, key->text.len);
    end[key->text.len - 1] = '/' + 1;
    struct sql_query query =
        sql_start(connection, "SELECT 1 FROM object"
                              " WHERE location >= ?1 AND location < ?2 AND id <> ?3 UNION ALL"
                              " SELECT 1 FROM object_place"
                              " WHERE location >= ?1 AND location < ?2 AND object_id <> ?3");
    sql_text(&query, key->text);
    sql_text(&query, str_from(end, key->text.len));
    sql_int(&query, own_id);
    bool found = sql_row(&query);
    sql_end(&query);
    return found;
}

bool sqlite_location_taken(struct sqlite_connection *connection,
                           const struct sqlite_location_key *key, int64_t own_id)
{
    struct str text = key->text;
    if (text.ptr == NULL)
        return false;
    if (other_object_below(connection, key, own_id))
        return true;
    size_t at = 0; /* behind scheme:// */
    while (at + 3 < text.len && memcmp(text.ptr + at, "://", 3) != 0)
        at++;
    for (at += 3; at + 1 < text.len; at++)
        if (text.ptr[at] == '/' && other_object_at(connection, str_from(text.ptr, at + 1), own_id))
            return true;
    return false;
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
    for (size_t i = 0; i < change->place_count; i++) {
        struct sqlite_location_key key;
        sqlite_location_key_of(change->places[i], &key);
        if (sqlite_location_taken(connection, &key, own_id))
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

/* ---- reading --------------------------------------------------------------------------------- */

int sqlite_object_location_taken(struct metastore *base, struct str location, int64_t own_id,
                                 bool *taken, struct error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct sqlite_location_key key;
    struct sqlite_connection *reader = sqlite_reader_checkout(store, err);
    if (reader == NULL)
        return -1;
    sqlite_location_key_of(location, &key);
    *taken = sqlite_location_taken(reader, &key, own_id);
    return sqlite_reader_checkin(store, reader, err);
}
