/* A version of a view between text and value.
 *
 * Texts are compared decoded, dialects ignoring case where the contract says so; the original text
 * of what is not an id is never printed anew. */
#include "iceberg/view_version.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

enum {
    VERSION_ID,
    TIMESTAMP_MS,
    SCHEMA_ID,
    SUMMARY,
    DEFAULT_CATALOG,
    DEFAULT_NAMESPACE,
    REPRESENTATIONS,
    VERSION_MEMBERS,
};

static const struct member_spec version_members[VERSION_MEMBERS] = {
    [VERSION_ID] = MEMBER("version-id", INT, REQUIRED),
    [TIMESTAMP_MS] = MEMBER("timestamp-ms", INT, REQUIRED),
    [SCHEMA_ID] = MEMBER("schema-id", INT, REQUIRED),
    [SUMMARY] = MEMBER("summary", STRING_MAP, REQUIRED),
    [DEFAULT_CATALOG] = MEMBER("default-catalog", STRING, OPTIONAL),
    [DEFAULT_NAMESPACE] = MEMBER("default-namespace", STRING_ARRAY, REQUIRED),
    [REPRESENTATIONS] = MEMBER("representations", ARRAY, REQUIRED),
};

static int read_representation(struct str object, struct arena *arena,
                               struct view_representation *out, struct error *err)
{
    static const struct member_spec members[] = {
        MEMBER("type", STRING, REQUIRED),
        MEMBER("sql", STRING, OPTIONAL),
        MEMBER("dialect", STRING, OPTIONAL),
    };
    struct str values[3];
    *out = (struct view_representation){0};
    if (members_read(object, "view representation", members, 3, values, err) != 0)
        return -1;
    if (!str_equal_ignore_case(raw_json_string(values[0], arena), STR("sql")))
        return 0;
    for (size_t i = 1; i < 3; i++)
        if (values[i].ptr == NULL)
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Cannot parse view representation: missing %s", members[i].name.ptr);
    out->is_sql = true;
    out->sql = raw_json_string(values[1], arena);
    out->dialect = raw_json_string(values[2], arena);
    return 0;
}

static int read_representations(struct str array, struct arena *arena, struct view_version *out,
                                struct error *err)
{
    struct str element;
    struct raw_json_cursor cursor = raw_json_enter(array);
    out->representations =
        ARENA_ARRAY(arena, struct view_representation, raw_json_element_count(array));
    while (raw_json_next_element(&cursor, &element))
        if (read_representation(element, arena, &out->representations[out->representation_count++],
                                err) != 0)
            return -1;
    return 0;
}

static void read_namespace(struct str array, struct arena *arena, struct view_version *out)
{
    struct str element;
    struct raw_json_cursor cursor = raw_json_enter(array);
    out->default_namespace = ARENA_ARRAY(arena, struct str, raw_json_element_count(array));
    while (raw_json_next_element(&cursor, &element))
        out->default_namespace[out->level_count++] = raw_json_string(element, arena);
}

static int compare_keys(const void *left, const void *right)
{
    const struct metadata_property *a = left, *b = right;
    return str_compare(a->key, b->key);
}

static void read_summary(struct str object, struct arena *arena, struct view_version *out)
{
    struct str key, value;
    size_t count = 0;
    struct raw_json_cursor cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value))
        count++;
    out->summary = ARENA_ARRAY(arena, struct metadata_property, count);
    cursor = raw_json_enter(object);
    while (raw_json_next_member(&cursor, &key, &value))
        out->summary[out->summary_count++] =
            (struct metadata_property){raw_json_key(key, arena), raw_json_string(value, arena)};
    if (count > 1)
        qsort(out->summary, count, sizeof(*out->summary), compare_keys);
}

int view_version_read(struct str object, struct arena *arena, struct view_version *out,
                      struct error *err)
{
    struct str values[VERSION_MEMBERS];
    if (members_read(object, "view version", version_members, VERSION_MEMBERS, values, err) != 0)
        return -1;
    *out = (struct view_version){
        .version_id = member_int64(values[VERSION_ID]),
        .timestamp_ms = member_int64(values[TIMESTAMP_MS]),
        .schema_id = member_int64(values[SCHEMA_ID]),
        .text = object,
    };
    if (values[DEFAULT_CATALOG].ptr != NULL)
        out->default_catalog = raw_json_string(values[DEFAULT_CATALOG], arena);
    if (out->version_id < 0 || out->version_id > INT32_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Cannot parse view version: version-id %lld is out of range",
                         (long long)out->version_id);
    read_summary(values[SUMMARY], arena, out);
    read_namespace(values[DEFAULT_NAMESPACE], arena, out);
    return read_representations(values[REPRESENTATIONS], arena, out, err);
}

/* --- rules ------------------------------------------------------------------------------------ */

static int multiple_queries(struct str dialect, struct error *err)
{
    char lower[64];
    struct str shown = str_utf8_cut(dialect, sizeof(lower));
    for (size_t i = 0; i < shown.len; i++) {
        char c = shown.ptr[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return error_set(err, ERR_ILLEGAL_ARGUMENT,
                     "Invalid view version: Cannot add multiple queries for dialect %.*s",
                     (int)shown.len, lower);
}

int view_version_check(const struct view_version *version, struct error *err)
{
    if (version->representation_count == 0)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid view version: at least one representation is required");
    if (version->representation_count > VIEW_REPRESENTATIONS_MAX)
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid view version: more than %d representations",
                         VIEW_REPRESENTATIONS_MAX);
    for (size_t i = 0; i < version->representation_count; i++) {
        const struct view_representation *representation = &version->representations[i];
        if (!representation->is_sql)
            return error_set(err, ERR_ILLEGAL_ARGUMENT,
                             "Invalid view version: only representations of type sql are known");
        for (size_t j = 0; j < i; j++)
            if (str_equal_ignore_case(version->representations[j].dialect, representation->dialect))
                return multiple_queries(representation->dialect, err);
    }
    return 0;
}

static bool same_summary(const struct view_version *a, const struct view_version *b)
{
    if (a->summary_count != b->summary_count)
        return false;
    for (size_t i = 0; i < a->summary_count; i++)
        if (!str_equal(a->summary[i].key, b->summary[i].key) ||
            !str_equal(a->summary[i].value, b->summary[i].value))
            return false;
    return true;
}

static bool same_namespace(const struct view_version *a, const struct view_version *b)
{
    if (a->level_count != b->level_count)
        return false;
    for (size_t i = 0; i < a->level_count; i++)
        if (!str_equal(a->default_namespace[i], b->default_namespace[i]))
            return false;
    return true;
}

static bool same_representations(const struct view_version *a, const struct view_version *b)
{
    if (a->representation_count != b->representation_count)
        return false;
    for (size_t i = 0; i < a->representation_count; i++) {
        const struct view_representation *x = &a->representations[i], *y = &b->representations[i];
        if (!x->is_sql || !y->is_sql || !str_equal(x->sql, y->sql) ||
            !str_equal(x->dialect, y->dialect))
            return false;
    }
    return true;
}

bool view_version_same(const struct view_version *a, const struct view_version *b)
{
    bool same_catalog = (a->default_catalog.ptr == NULL) == (b->default_catalog.ptr == NULL) &&
                        str_equal(a->default_catalog, b->default_catalog);
    return same_catalog && a->schema_id == b->schema_id && same_namespace(a, b) &&
           same_summary(a, b) && same_representations(a, b);
}

bool view_version_has_dialect(const struct view_version *version, struct str dialect)
{
    for (size_t i = 0; i < version->representation_count; i++)
        if (version->representations[i].is_sql &&
            str_equal_ignore_case(version->representations[i].dialect, dialect))
            return true;
    return false;
}

/* --- text ------------------------------------------------------------------------------------- */

static void write_member(struct buf *out, struct str name, struct str value)
{
    if (value.ptr == NULL)
        return;
    buf_add_format(out, ",\"%.*s\":", STR_ARG(name));
    buf_add(out, value);
}

struct metadata_element view_version_element(const struct view_version *version, int64_t version_id,
                                             int64_t schema_id, struct arena *arena)
{
    struct str values[VERSION_MEMBERS];
    struct unknown_members unknown = {0};
    struct error impossible;
    struct buf out = BUF_INIT(METADATA_FILE_BYTES_MAX);
    struct arena *scratch = arena_new();
    int result = members_read_all(version->text, "view version", version_members, VERSION_MEMBERS,
                                  values, scratch, &unknown, &impossible);
    assert(result == 0); /* it was read before */
    (void)result;
    buf_add_format(&out, "{\"version-id\":%lld", (long long)version_id);
    write_member(&out, STR("timestamp-ms"), values[TIMESTAMP_MS]);
    buf_add_format(&out, ",\"schema-id\":%lld", (long long)schema_id);
    for (size_t i = SUMMARY; i < VERSION_MEMBERS; i++)
        write_member(&out, version_members[i].name, values[i]);
    for (size_t i = 0; i < unknown.count; i++)
        write_member(&out, unknown.members[i].name, unknown.members[i].value);
    buf_add_char(&out, '}');
    assert(!out.overflowed);
    struct metadata_element element = {
        .text = arena_str(arena, buf_str(&out)),
        .id = version_id,
        .timestamp_ms = version->timestamp_ms,
    };
    buf_free(&out);
    arena_free(scratch);
    return element;
}
