/* Checks of property values that could not be put right later: at create and at commit.
 *
 * Rules: a property this program does not know is never judged; the current schema is read only
 * when some property names a column. */
#include "iceberg/table_create.h"

#include "iceberg/layout.h"

#define METRICS_COLUMN_PREFIX "write.metadata.metrics.column."
#define FIRST_VERSION_WITH_ENCRYPTION 3

static int check_retry(const struct metadata_property *property, struct error *err)
{
    long long value;

    if (!str_to_int64(property->value, &value) || value < INT32_MIN || value > INT32_MAX) {
        return error_set(err, ERR_VALIDATION, "Table property %.*s must have integer value",
                         STR_ARG(property->key));
    }
    if (value < 0) {
        return error_set(err, ERR_VALIDATION,
                         "Table property %.*s must have non negative integer value",
                         STR_ARG(property->key));
    }
    return 0;
}

static bool is_one_of(struct str key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_cstr(key, keys[i]))
            return true;
    return false;
}

static const char *const retry_keys[] = {
    "commit.retry.num-retries",
    "commit.retry.min-wait-ms",
    "commit.retry.max-wait-ms",
    "commit.retry.total-timeout-ms",
};

static const char *const encryption_keys[] = {
    "encryption.key-id",
    "encryption.data-key-length",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What can be said of a property without the schema. */
static int check_value(const struct metadata_property *property, int format_version,
                       struct error *err)
{
    if (is_one_of(property->key, retry_keys, COUNT(retry_keys)))
        return check_retry(property, err);
    if (format_version < FIRST_VERSION_WITH_ENCRYPTION &&
        is_one_of(property->key, encryption_keys, COUNT(encryption_keys))) {
        return error_set(err, ERR_VALIDATION,
                         "Invalid property for v%d: %.*s is not supported until v%d",
                         format_version, STR_ARG(property->key), FIRST_VERSION_WITH_ENCRYPTION);
    }
    return 0;
}

static int check_metrics_columns(const struct table_metadata *metadata, struct arena *arena,
                                 struct error *err)
{
    struct schema schema;
    struct column column;

    if (layout_current_schema(metadata, arena, &schema, err) != 0)
        return -1;
    for (size_t i = 0; i < metadata->property_count; i++) {
        struct str key = metadata->properties[i].key;
        if (!str_starts_with(key, STR(METRICS_COLUMN_PREFIX)))
            continue;
        struct str name = str_skip(key, STR(METRICS_COLUMN_PREFIX).len);
        if (!schema_find_name(&schema, name, NULL, &column)) {
            return error_set(err, ERR_VALIDATION,
                             "Invalid metrics config, could not find column %.*s from table prop "
                             "%.*s in the schema",
                             STR_ARG(name), STR_ARG(key));
        }
    }
    return 0;
}

int table_properties_check(const struct table_metadata *metadata, struct arena *arena,
                           struct error *err)
{
    bool names_columns = false;

    for (size_t i = 0; i < metadata->property_count; i++) {
        const struct metadata_property *property = &metadata->properties[i];
        if (check_value(property, metadata->format_version, err) != 0)
            return -1;
        names_columns |= str_starts_with(property->key, STR(METRICS_COLUMN_PREFIX));
    }
    return names_columns ? check_metrics_columns(metadata, arena, err) : 0;
}
