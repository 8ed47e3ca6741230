/* Transforms of partition and sort fields, kept as their canonical text.
 *
 * Rules: text that names no known transform is a transform all the same, kept as it is and never
 * judged; bucket and truncate are known only with a width in brackets, which must be 1 or more. */
#include "iceberg/partition_spec.h"

#include <assert.h>

/* Which types a transform takes, one bit each. */
#define BIT(id) (1u << (id))
#define TIMESTAMPS                                                          \
    (BIT(TYPE_TIMESTAMP) | BIT(TYPE_TIMESTAMPTZ) | BIT(TYPE_TIMESTAMP_NS) | \
     BIT(TYPE_TIMESTAMPTZ_NS))
#define DAYS (BIT(TYPE_DATE) | TIMESTAMPS)
#define BUCKETS                                                                              \
    (BIT(TYPE_INT) | BIT(TYPE_LONG) | BIT(TYPE_TIME) | BIT(TYPE_STRING) | BIT(TYPE_BINARY) | \
     BIT(TYPE_FIXED) | BIT(TYPE_DECIMAL) | BIT(TYPE_UUID) | DAYS)
#define TRUNCATES \
    (BIT(TYPE_INT) | BIT(TYPE_LONG) | BIT(TYPE_STRING) | BIT(TYPE_BINARY) | BIT(TYPE_DECIMAL))
#define ANY (~0u)
#define NESTED (BIT(TYPE_STRUCT) | BIT(TYPE_LIST) | BIT(TYPE_MAP))
#define IDENTITIES (ANY & ~(NESTED | BIT(TYPE_VARIANT) | BIT(TYPE_GEOMETRY) | BIT(TYPE_GEOGRAPHY)))

struct transform {
    const char *name;
    bool has_width;
    unsigned types;
};

static const struct transform transforms[] = {
    {"identity", false, IDENTITIES}, {"void", false, ANY},          {"year", false, DAYS},
    {"month", false, DAYS},          {"day", false, DAYS},          {"hour", false, TIMESTAMPS},
    {"bucket", true, BUCKETS},       {"truncate", true, TRUNCATES},
};

_Static_assert(TYPE_MAP < 32, "one bit for each type");

/* "name[digits]" → the two parts. */
static bool split_width(struct str text, struct str *name, struct str *digits)
{
    const char *open = text.len == 0 ? NULL : memchr(text.ptr, '[', text.len);

    if (open == NULL || text.ptr[text.len - 1] != ']')
        return false;
    *name = str_from(text.ptr, (size_t)(open - text.ptr));
    *digits = str_from(open + 1, text.len - name->len - 2);
    for (size_t i = 0; i < digits->len; i++)
        if (digits->ptr[i] < '0' || digits->ptr[i] > '9')
            return false;
    return digits->len > 0;
}

/* The known transform of that text, or NULL; *digits is its width, STR_NONE when it has none. */
static const struct transform *find_transform(struct str text, struct str *digits)
{
    struct str name = text;

    *digits = STR_NONE;
    bool has_width = split_width(text, &name, digits);
    for (size_t i = 0; i < sizeof(transforms) / sizeof(transforms[0]); i++)
        if (transforms[i].has_width == has_width &&
            str_equal_ignore_case(name, str_cstr(transforms[i].name)))
            return &transforms[i];
    return NULL;
}

int transform_parse(struct str text, struct arena *arena, struct str *canonical, struct error *err)
{
    struct str digits;
    const struct transform *transform = find_transform(text, &digits);

    if (transform == NULL) {
        *canonical = arena_str(arena, text);
        return 0;
    }
    if (!transform->has_width) {
        *canonical = str_cstr(transform->name);
        return 0;
    }
    long long width;
    if (!str_to_int64(digits, &width) || width < 1 || width > INT32_MAX) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "Invalid transform %.*s: the width must be between 1 and %d",
                         STR_ARG(text), INT32_MAX);
    }
    *canonical = arena_printf(arena, "%s[%lld]", transform->name, width);
    return 0;
}

bool transform_is_void(struct str transform)
{
    return str_equal(transform, STR("void"));
}

bool transform_applies_to(struct str transform, const struct type *type)
{
    struct str digits;
    const struct transform *known = find_transform(transform, &digits);

    return known == NULL || (known->types & BIT(type->id)) != 0;
}
