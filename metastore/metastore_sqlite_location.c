/* The overlap index: which objects lie at a place, in it or around it. Asked by changes, inside
 * their transaction, where it decides; and by readers, before anything is written there. */
#include "metastore/metastore_sqlite_private.h"

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
        sql_start(connection, "SELECT 1 FROM object WHERE location = ? AND id <> ?");
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
                              " WHERE location >= ? AND location < ? AND id <> ?");
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
