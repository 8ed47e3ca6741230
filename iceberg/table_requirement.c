/* What a commit may demand of the table it was prepared on (contract/rest.md 4.6).
 *
 * Messages are read by clients' tests: a requirement that fails says so in exactly these words. */
#include "iceberg/table_update.h"

#include <assert.h>

#include "iceberg/snapshot.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int check_create(const struct table_metadata *base, const struct str *values,
                        struct arena *scratch, struct error *err)
{
    (void)base;
    (void)values;
    (void)scratch;
    return error_set(err, ERR_COMMIT_FAILED, "Requirement failed: table already exists");
}

static int check_uuid(const struct table_metadata *base, const struct str *values,
                      struct arena *scratch, struct error *err)
{
    struct str uuid = raw_json_string(values[0], scratch);
    if (str_equal_ignore_case(uuid, base->table_uuid))
        return 0;
    return error_set(err, ERR_COMMIT_FAILED,
                     "Requirement failed: UUID does not match: expected %.*s != %.*s",
                     STR_ARG(base->table_uuid), STR_ARG(uuid));
}

static int check_ref(const struct table_metadata *base, const struct str *values,
                     struct arena *scratch, struct error *err)
{
    struct str name = raw_json_string(values[0], scratch);
    const struct metadata_ref *ref = table_metadata_ref(base, name);
    bool must_exist = values[1].ptr != NULL;
    long long expected = member_int64_or(values[1], SNAPSHOT_NONE);
    if (ref == NULL && !must_exist)
        return 0;
    if (ref == NULL)
        return error_set(err, ERR_COMMIT_FAILED,
                         "Requirement failed: branch or tag %.*s is missing, expected %lld",
                         STR_ARG(name), expected);
    const char *kind = ref->is_tag ? "tag" : "branch";
    if (!must_exist)
        return error_set(err, ERR_COMMIT_FAILED,
                         "Requirement failed: %s %.*s was created concurrently", kind,
                         STR_ARG(name));
    if (ref->snapshot_id != expected)
        return error_set(err, ERR_COMMIT_FAILED,
                         "Requirement failed: %s %.*s has changed: expected id %lld != %lld", kind,
                         STR_ARG(name), expected, (long long)ref->snapshot_id);
    return 0;
}

static int check_id(struct str value, int64_t actual, const char *what, struct error *err)
{
    int64_t expected = member_int64(value);
    if (expected == actual)
        return 0;
    return error_set(err, ERR_COMMIT_FAILED,
                     "Requirement failed: %s changed: expected id %lld != %lld", what,
                     (long long)expected, (long long)actual);
}

static int check_last_field_id(const struct table_metadata *base, const struct str *values,
                               struct arena *scratch, struct error *err)
{
    (void)scratch;
    return check_id(values[0], base->last_column_id, "last assigned field id", err);
}

static int check_current_schema(const struct table_metadata *base, const struct str *values,
                                struct arena *scratch, struct error *err)
{
    (void)scratch;
    return check_id(values[0], base->current_schema_id, "current schema", err);
}

static int check_last_partition_id(const struct table_metadata *base, const struct str *values,
                                   struct arena *scratch, struct error *err)
{
    (void)scratch;
    return check_id(values[0], base->last_partition_id, "last assigned partition id", err);
}

static int check_default_spec(const struct table_metadata *base, const struct str *values,
                              struct arena *scratch, struct error *err)
{
    (void)scratch;
    return check_id(values[0], base->default_spec_id, "default partition spec", err);
}

static int check_default_order(const struct table_metadata *base, const struct str *values,
                               struct arena *scratch, struct error *err)
{
    (void)scratch;
    return check_id(values[0], base->default_sort_order_id, "default sort order", err);
}

static const struct member_spec uuid_members[] = {MEMBER("uuid", STRING, REQUIRED)};
static const struct member_spec ref_members[] = {MEMBER("ref", STRING, REQUIRED),
                                                 MEMBER("snapshot-id", INT, OPTIONAL)};
static const struct member_spec last_field_members[] = {
    MEMBER("last-assigned-field-id", INT, REQUIRED)};
static const struct member_spec schema_members[] = {MEMBER("current-schema-id", INT, REQUIRED)};
static const struct member_spec last_partition_members[] = {
    MEMBER("last-assigned-partition-id", INT, REQUIRED)};
static const struct member_spec spec_members[] = {MEMBER("default-spec-id", INT, REQUIRED)};
static const struct member_spec order_members[] = {MEMBER("default-sort-order-id", INT, REQUIRED)};

/* clang-format off */
#define MEMBERS(array) array, COUNT(array)
static const struct requirement_row rows[] = {
    {"assert-create",                     NULL, 0,                         check_create},
    {"assert-table-uuid",                 MEMBERS(uuid_members),           check_uuid},
    {"assert-ref-snapshot-id",            MEMBERS(ref_members),            check_ref},
    {"assert-last-assigned-field-id",     MEMBERS(last_field_members),     check_last_field_id},
    {"assert-current-schema-id",          MEMBERS(schema_members),         check_current_schema},
    {"assert-last-assigned-partition-id", MEMBERS(last_partition_members), check_last_partition_id},
    {"assert-default-spec-id",            MEMBERS(spec_members),           check_default_spec},
    {"assert-default-sort-order-id",      MEMBERS(order_members),          check_default_order},
    {"assert-view-uuid",                  NULL, 0,                         NULL},
};
/* clang-format on */

const struct requirement_row *requirement_row_find(struct str name)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert(rows[i].member_count <= REQUIREMENT_MEMBERS_MAX);
        if (str_equal_ignore_case(str_cstr(rows[i].name), name))
            return &rows[i];
    }
    return NULL;
}

bool requirement_row_is_create(const struct requirement_row *row)
{
    assert(row != NULL);
    return row->check == check_create;
}
