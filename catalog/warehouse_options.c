/* The options in a warehouse's row: JSON, with the secrets sealed.
 *
 *   {"access":"vend","location":"file:///…","storage":{"endpoint":"…"},"sealed":"…"}
 *
 * 1. A secret is written sealed and in no other form. It is sealed for the warehouse's name: copied
 *    into another row it does not open.
 * 2. The key is not in the database, and is made when the first secret is sealed. While a row holds
 *    sealed secrets, a missing key is an error and never a reason to make one. */
#include "base/secret_box.h"
#include "catalog/mutation.h"

#include <assert.h>
#include <stdlib.h>

#define VALUE_BYTES_MAX ((size_t)8 << 10)
#define PURPOSE "firn warehouse secrets, version 1: "

static const char *const access_names[] = {"direct", "vend", "sign", "gateway"};

const char *warehouse_access_name(enum warehouse_access access)
{
    return access_names[access];
}

bool warehouse_access_parse(struct str text, enum warehouse_access *out)
{
    for (size_t i = 0; i < sizeof(access_names) / sizeof(access_names[0]); i++) {
        *out = (enum warehouse_access)i;
        if (str_equal_cstr(text, access_names[i]))
            return true;
    }
    return false;
}

/* ---- the key --------------------------------------------------------------------------------- */

static int read_key(struct catalog *catalog, struct secret_key *out, bool *found, struct error *err)
{
    *found = false;
    if (catalog->options.secret_key_file == NULL)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "There is no key file for secrets");
    return secret_key_read(catalog->options.secret_key_file, out, found, err);
}

static int read_or_make_key(struct catalog *catalog, struct secret_key *out, struct error *err)
{
    bool found;
    if (read_key(catalog, out, &found, err) != 0)
        return -1;
    return found ? 0
                 : secret_key_make(catalog->options.secret_key_file, catalog->options.random, out,
                                   err);
}

static struct str purpose_of(struct str warehouse, struct arena *arena)
{
    return arena_printf(arena, PURPOSE "%.*s", STR_ARG(warehouse));
}

/* ---- writing --------------------------------------------------------------------------------- */

static int check_value(const char *name, struct str value, struct error *err)
{
    bool ok = value.len <= VALUE_BYTES_MAX && str_is_utf8(value);
    for (size_t i = 0; ok && i < value.len; i++)
        ok = (unsigned char)value.ptr[i] >= ' ' && value.ptr[i] != 0x7F;
    return ok ? 0
              : error_set(err, ERR_ILLEGAL_ARGUMENT,
                          "Invalid storage option %s: it must be one line of text", name);
}

/* Fills the object with the options that are secret, or with those that are not. */
static int add_options(json_t *object, const struct storage_options *options, bool secret,
                       struct error *err)
{
    for (size_t i = 0; i < storage_option_count; i++) {
        const struct storage_option *option = &storage_option_rows[i];
        struct str value = storage_option_get(options, option);
        if (value.ptr == NULL || option->is_secret != secret)
            continue;
        if (check_value(option->name, value, err) != 0)
            return -1;
        json_object_set_new(object, option->name, json_stringn(value.ptr, value.len));
    }
    return 0;
}

static int add_sealed(struct catalog *catalog, json_t *object, struct str warehouse,
                      const json_t *secrets, struct arena *arena, struct error *err)
{
    struct secret_key key;
    if (json_object_size(secrets) == 0)
        return 0;
    if (read_or_make_key(catalog, &key, err) != 0)
        return -1;
    struct str text = catalog_json_text(secrets, arena);
    struct str sealed =
        secret_seal(&key, purpose_of(warehouse, arena), text, catalog->options.random, arena);
    explicit_bzero((char *)(uintptr_t)text.ptr, text.len);
    explicit_bzero(&key, sizeof(key));
    json_object_set_new(object, "sealed", json_stringn(sealed.ptr, sealed.len));
    return 0;
}

int warehouse_options_write(struct catalog *catalog, struct str warehouse,
                            const struct warehouse_options *options, struct arena *arena,
                            struct str *out, struct error *err)
{
    json_t *object = json_object(), *open = json_object(), *secrets = json_object();
    int result = add_options(open, &options->storage, false, err);
    if (result == 0)
        result = add_options(secrets, &options->storage, true, err);
    if (result == 0)
        result = add_sealed(catalog, object, warehouse, secrets, arena, err);
    if (options->access != WAREHOUSE_DIRECT)
        json_object_set_new(object, "access", json_string(access_names[options->access]));
    if (options->place.ptr != NULL)
        json_object_set_new(object, "location",
                            json_stringn(options->place.ptr, options->place.len));
    if (json_object_size(open) > 0)
        json_object_set(object, "storage", open);
    if (result == 0)
        *out = catalog_json_text(object, arena);
    json_decref(object);
    json_decref(open);
    json_decref(secrets);
    return result;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int unreadable(struct str warehouse, const char *what, struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE, "The options of warehouse %.*s are not readable: %s",
                     STR_ARG(warehouse), what);
}

/* An option of a newer program is passed over by nobody: it may be what keeps the keys in bounds.
 */
static int take_options(const json_t *object, struct str warehouse, bool secret,
                        struct arena *arena, struct storage_options *out, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const struct storage_option *option = storage_option_find(str_cstr(name));
        if (option == NULL || !json_is_string(value) || option->is_secret != secret)
            return unreadable(warehouse, "unknown option", err);
        storage_option_set(
            out, option,
            arena_str(arena, str_from(json_string_value(value), json_string_length(value))));
    }
    return 0;
}

static int take_sealed(struct catalog *catalog, struct str warehouse, struct str sealed,
                       struct arena *arena, struct storage_options *out, struct error *err)
{
    struct secret_key key;
    struct str text;
    bool found;
    if (read_key(catalog, &key, &found, err) != 0)
        return -1;
    if (!found)
        return error_set(err, ERR_UNAVAILABLE,
                         "The secrets of warehouse %.*s cannot be read: the key file is missing: "
                         "%s (secret-key-file)",
                         STR_ARG(warehouse), catalog->options.secret_key_file);
    bool ok = secret_open(&key, purpose_of(warehouse, arena), sealed, arena, &text);
    explicit_bzero(&key, sizeof(key));
    if (!ok)
        return error_set(err, ERR_UNAVAILABLE,
                         "The secrets of warehouse %.*s cannot be read: they were sealed with "
                         "another key than that of %s (secret-key-file)",
                         STR_ARG(warehouse), catalog->options.secret_key_file);
    json_t *secrets = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    explicit_bzero((char *)(uintptr_t)text.ptr, text.len);
    int result = json_is_object(secrets) ? take_options(secrets, warehouse, true, arena, out, err)
                                         : unreadable(warehouse, "no secrets", err);
    json_decref(secrets);
    return result;
}

static struct str text_of(const json_t *object, const char *name, struct arena *arena)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value)
               ? arena_str(arena, str_from(json_string_value(value), json_string_length(value)))
               : STR_NONE;
}

static int take(struct catalog *catalog, struct str warehouse, const json_t *object,
                struct arena *arena, struct warehouse_options *out, struct error *err)
{
    struct str access = text_of(object, "access", arena);
    struct str sealed = text_of(object, "sealed", arena);
    out->place = text_of(object, "location", arena);
    if (access.ptr != NULL && !warehouse_access_parse(access, &out->access))
        return unreadable(warehouse, "unknown access", err);
    if (take_options(json_object_get(object, "storage"), warehouse, false, arena, &out->storage,
                     err) != 0)
        return -1;
    return sealed.ptr == NULL ? 0
                              : take_sealed(catalog, warehouse, sealed, arena, &out->storage, err);
}

int warehouse_options_read(struct catalog *catalog, struct str warehouse, struct str text,
                           struct arena *arena, struct warehouse_options *out, struct error *err)
{
    *out = (struct warehouse_options){.access = WAREHOUSE_DIRECT};
    json_t *object = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    int result = json_is_object(object) ? take(catalog, warehouse, object, arena, out, err)
                                        : unreadable(warehouse, "no object", err);
    json_decref(object);
    return result;
}
