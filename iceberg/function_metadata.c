/* Judging a function's metadata document, from the outside to the inside: document, definitions,
 * versions, representations, log.
 *
 * Shapes are ERR_ILLEGAL_ARGUMENT, broken rules ERR_VALIDATION; both name the definition. Sets of
 * ids are compared by hash first, so that many cost no more than few. */
#include "iceberg/function_metadata.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/id_map.h"
#include "iceberg/function_type.h"
#include "iceberg/members.h"

struct reader {
    struct arena *arena; /* freed when the document is judged */
    struct error *err;
    struct str definition_id; /* of the definition that is being read */
};

/* ---- texts that may be there once ------------------------------------------------------------ */

/* A set of texts: the map leads from a hash to the newest text with it, `next` to older ones. */
struct text_set {
    struct id_map map;
    struct {
        struct str text;
        int64_t next; /* -1: none */
    } * entries;
    size_t count;
};

static void text_set_init(struct text_set *set, size_t count_max, struct arena *arena)
{
    id_map_init(&set->map, arena, count_max);
    set->entries = arena_alloc_array(arena, count_max, sizeof(*set->entries));
    set->count = 0;
}

/* False: it is in the set already. The hash is seeded: nobody can choose texts that share one. */
static bool text_set_add(struct text_set *set, struct str text)
{
    int64_t hash = (int64_t)id_map_hash(&set->map, text), at;
    if (!id_map_get(&set->map, hash, &at)) {
        id_map_put(&set->map, hash, (int64_t)set->count);
        set->entries[set->count].next = -1;
    } else {
        for (int64_t i = at; i >= 0; i = set->entries[i].next)
            if (str_equal(set->entries[i].text, text))
                return false;
        set->entries[set->count].next = set->entries[at].next;
        set->entries[at].next = (int64_t)set->count;
    }
    set->entries[set->count++].text = text;
    return true;
}

/* ---- versions -------------------------------------------------------------------------------- */

static int invalid(struct reader *r, const char *what)
{
    return error_set(r->err, ERR_VALIDATION, "Invalid function definition %.*s: %s",
                     STR_ARG(str_utf8_cut(r->definition_id, 200)), what);
}

static struct str lower(struct str text, struct arena *arena)
{
    char *copy = ARENA_ARRAY(arena, char, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return str_from(copy, text.len);
}

static int read_representations(struct reader *r, struct str array)
{
    static const struct member_spec members[] = {
        MEMBER("type", STRING, REQUIRED),
        MEMBER("dialect", STRING, REQUIRED),
        MEMBER("sql", STRING, REQUIRED),
    };
    struct str element, values[3];
    struct text_set dialects;
    size_t count = raw_json_element_count(array);
    if (count == 0)
        return invalid(r, "a version has no representation");
    text_set_init(&dialects, count, r->arena);
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element)) {
        if (members_read(element, "function representation", members, 3, values, r->err) != 0)
            return -1;
        if (!str_equal(raw_json_string(values[0], r->arena), STR("sql")))
            return invalid(r, "a representation is not of type sql");
        struct str dialect = lower(raw_json_string(values[1], r->arena), r->arena);
        if (!text_set_add(&dialects, dialect))
            return invalid(r, "a version has two representations of one dialect");
    }
    return 0;
}

static int read_version(struct reader *r, struct str object, int64_t *id)
{
    enum { VERSION_ID, REPRESENTATIONS, TIMESTAMP_MS, DETERMINISTIC, ON_NULL_INPUT, MEMBERS };
    static const struct member_spec members[MEMBERS] = {
        [VERSION_ID] = MEMBER("version-id", INT, REQUIRED),
        [REPRESENTATIONS] = MEMBER("representations", ARRAY, REQUIRED),
        [TIMESTAMP_MS] = MEMBER("timestamp-ms", INT, REQUIRED),
        [DETERMINISTIC] = MEMBER("deterministic", BOOL, OPTIONAL),
        [ON_NULL_INPUT] = MEMBER("on-null-input", STRING, OPTIONAL),
    };
    struct str values[MEMBERS];
    if (members_read(object, "function version", members, MEMBERS, values, r->err) != 0)
        return -1;
    if (values[ON_NULL_INPUT].ptr != NULL) {
        struct str hint = raw_json_string(values[ON_NULL_INPUT], r->arena);
        if (!str_equal(hint, STR("call")) && !str_equal(hint, STR("return-null")))
            return invalid(r, "on-null-input is neither call nor return-null");
    }
    *id = member_int64(values[VERSION_ID]);
    return read_representations(r, values[REPRESENTATIONS]);
}

static int read_versions(struct reader *r, struct str array, int64_t current_id)
{
    struct id_map ids;
    struct str element;
    id_map_init(&ids, r->arena, raw_json_element_count(array));
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element)) {
        int64_t id = 0;
        if (read_version(r, element, &id) != 0)
            return -1;
        if (!id_map_put(&ids, id, 1))
            return invalid(r, "two versions have one version-id");
    }
    return id_map_has(&ids, current_id) ? 0 : invalid(r, "current-version-id names no version");
}

/* ---- definitions ----------------------------------------------------------------------------- */

/* Appends the canonical id that the parameters make. */
static int read_parameters(struct reader *r, struct str array, struct buf *id)
{
    static const struct member_spec members[] = {
        MEMBER("name", STRING, REQUIRED),
        MEMBER("doc", STRING, OPTIONAL),
    };
    struct str element, values[2];
    bool first = true;
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element)) {
        if (members_read(element, "function parameter", members, 2, values, r->err) != 0)
            return -1;
        if (!first)
            buf_add_char(id, ',');
        first = false;
        if (function_type_read(raw_json_member(element, "type"), r->arena, id, r->err) != 0)
            return -1;
    }
    return 0;
}

static int check_id(struct reader *r, struct str parameters)
{
    struct buf canonical = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int result = read_parameters(r, parameters, &canonical);
    if (result == 0 && !str_equal(buf_str(&canonical), r->definition_id))
        result = error_set(r->err, ERR_VALIDATION,
                           "Invalid function definition %.*s: its parameters make the "
                           "definition-id %.*s",
                           STR_ARG(str_utf8_cut(r->definition_id, 200)),
                           STR_ARG(str_utf8_cut(buf_str(&canonical), 200)));
    buf_free(&canonical);
    return result;
}

static int check_return_type(struct reader *r, struct str type, struct str function_type)
{
    struct buf text = BUF_INIT(METADATA_FILE_BYTES_MAX);
    int result = function_type_read(type, r->arena, &text, r->err);
    bool is_struct = str_starts_with(buf_str(&text), STR("struct<"));
    buf_free(&text);
    if (result != 0)
        return -1;
    if (str_equal(function_type, STR("udtf")))
        return is_struct ? 0 : invalid(r, "a udtf returns a struct");
    return str_equal(function_type, STR("udf"))
               ? 0
               : invalid(r, "function-type is neither udf nor udtf");
}

static int read_definition(struct reader *r, struct str object, struct text_set *ids,
                           struct text_set *names)
{
    enum {
        DEFINITION_ID,
        SPECIFIC_NAME,
        PARAMETERS,
        RETURN_NULLABLE,
        VERSIONS,
        CURRENT_VERSION_ID,
        FUNCTION_TYPE,
        DOC,
        MEMBERS,
    };
    static const struct member_spec members[MEMBERS] = {
        [DEFINITION_ID] = MEMBER("definition-id", STRING, REQUIRED),
        [SPECIFIC_NAME] = MEMBER("specific-name", STRING, OPTIONAL),
        [PARAMETERS] = MEMBER("parameters", ARRAY, REQUIRED),
        [RETURN_NULLABLE] = MEMBER("return-nullable", BOOL, OPTIONAL),
        [VERSIONS] = MEMBER("versions", ARRAY, REQUIRED),
        [CURRENT_VERSION_ID] = MEMBER("current-version-id", INT, REQUIRED),
        [FUNCTION_TYPE] = MEMBER("function-type", STRING, REQUIRED),
        [DOC] = MEMBER("doc", STRING, OPTIONAL),
    };
    struct str values[MEMBERS];
    if (members_read(object, "function definition", members, MEMBERS, values, r->err) != 0)
        return -1;
    r->definition_id = raw_json_string(values[DEFINITION_ID], r->arena);
    if (!text_set_add(ids, r->definition_id))
        return invalid(r, "two definitions have one definition-id");
    if (values[SPECIFIC_NAME].ptr != NULL &&
        !text_set_add(names, raw_json_string(values[SPECIFIC_NAME], r->arena)))
        return invalid(r, "two definitions have one specific-name");
    if (check_id(r, values[PARAMETERS]) != 0 ||
        check_return_type(r, raw_json_member(object, "return-type"),
                          raw_json_string(values[FUNCTION_TYPE], r->arena)) != 0)
        return -1;
    return read_versions(r, values[VERSIONS], member_int64(values[CURRENT_VERSION_ID]));
}

static int read_definitions(struct reader *r, struct str array)
{
    struct str element;
    struct text_set ids, names;
    size_t count = raw_json_element_count(array);
    if (count == 0)
        return error_set(r->err, ERR_VALIDATION, "Invalid function: definitions is empty");
    text_set_init(&ids, count, r->arena);
    text_set_init(&names, count, r->arena);
    struct raw_json_cursor cursor = raw_json_enter(array);
    while (raw_json_next_element(&cursor, &element))
        if (read_definition(r, element, &ids, &names) != 0)
            return -1;
    return 0;
}

/* ---- the log --------------------------------------------------------------------------------- */

/* What it names may be gone since. */
static int read_log(struct reader *r, struct str array)
{
    static const struct member_spec entry_members[] = {
        MEMBER("timestamp-ms", INT, REQUIRED),
        MEMBER("definition-versions", ARRAY, REQUIRED),
    };
    static const struct member_spec reference_members[] = {
        MEMBER("definition-id", STRING, REQUIRED),
        MEMBER("version-id", INT, REQUIRED),
    };
    struct str entry, reference, values[2], parts[2];
    struct raw_json_cursor entries = raw_json_enter(array);
    while (raw_json_next_element(&entries, &entry)) {
        if (members_read(entry, "definition log entry", entry_members, 2, values, r->err) != 0)
            return -1;
        struct raw_json_cursor references = raw_json_enter(values[1]);
        while (raw_json_next_element(&references, &reference))
            if (members_read(reference, "definition version", reference_members, 2, parts,
                             r->err) != 0)
                return -1;
    }
    return 0;
}

/* ---- the document ---------------------------------------------------------------------------- */

enum {
    FUNCTION_UUID,
    FORMAT_VERSION,
    DEFINITIONS,
    DEFINITION_LOG,
    LOCATION,
    PROPERTIES,
    SECURE,
    DOC,
    DOCUMENT_MEMBERS,
};

static const struct member_spec document_members[DOCUMENT_MEMBERS] = {
    [FUNCTION_UUID] = MEMBER("function-uuid", STRING, REQUIRED),
    [FORMAT_VERSION] = MEMBER("format-version", INT, REQUIRED),
    [DEFINITIONS] = MEMBER("definitions", ARRAY, REQUIRED),
    [DEFINITION_LOG] = MEMBER("definition-log", ARRAY, REQUIRED),
    [LOCATION] = MEMBER("location", STRING, OPTIONAL),
    [PROPERTIES] = MEMBER("properties", STRING_MAP, OPTIONAL),
    [SECURE] = MEMBER("secure", BOOL, OPTIONAL),
    [DOC] = MEMBER("doc", STRING, OPTIONAL),
};

static int judge(struct reader *r, const struct str *values)
{
    return read_definitions(r, values[DEFINITIONS]) != 0 ? -1 : read_log(r, values[DEFINITION_LOG]);
}

int function_metadata_parse(struct str text, struct arena *arena, struct function_metadata *out,
                            struct error *err)
{
    struct str document, values[DOCUMENT_MEMBERS];
    *out = (struct function_metadata){0};
    if (raw_json_check(text, &document, err) != 0 ||
        members_read(document, "function metadata", document_members, DOCUMENT_MEMBERS, values,
                     err) != 0)
        return -1;
    int64_t version = member_int64(values[FORMAT_VERSION]);
    if (version != FUNCTION_FORMAT_VERSION)
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot read unsupported version %lld",
                         (long long)version);
    out->function_uuid = raw_json_string(values[FUNCTION_UUID], arena);
    if (!metadata_is_uuid(out->function_uuid))
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse function metadata: function-uuid is not a uuid: %.*s",
                         STR_ARG(str_utf8_cut(out->function_uuid, 200)));
    if (values[LOCATION].ptr != NULL)
        out->location = location_without_slashes(raw_json_string(values[LOCATION], arena));
    struct reader r = {.arena = arena_new(), .err = err};
    int result = judge(&r, values);
    arena_free(r.arena);
    return result;
}

struct metadata_head function_metadata_head(const struct function_metadata *metadata)
{
    return (struct metadata_head){.uuid = metadata->function_uuid, .location = metadata->location};
}
