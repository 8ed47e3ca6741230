/* The text form of primitive types: "decimal(9, 2)", "geography(OGC:CRS84, spherical)".
 *
 * Rules: read without regard to case and to space inside brackets, printed in one canonical way,
 * so that equal types have equal text (but for the case of a CRS, which is kept). */
#include "iceberg/type.h"

#include "base/limits.h"
#include "base/raw_json.h"

#include <assert.h>

#define DECIMAL_PRECISION_MAX 38
#define CRS_DEFAULT "OGC:CRS84"

static const char *const type_names[] = {
    [TYPE_BOOLEAN] = "boolean",
    [TYPE_INT] = "int",
    [TYPE_LONG] = "long",
    [TYPE_FLOAT] = "float",
    [TYPE_DOUBLE] = "double",
    [TYPE_DATE] = "date",
    [TYPE_TIME] = "time",
    [TYPE_TIMESTAMP] = "timestamp",
    [TYPE_TIMESTAMPTZ] = "timestamptz",
    [TYPE_TIMESTAMP_NS] = "timestamp_ns",
    [TYPE_TIMESTAMPTZ_NS] = "timestamptz_ns",
    [TYPE_STRING] = "string",
    [TYPE_UUID] = "uuid",
    [TYPE_BINARY] = "binary",
    [TYPE_FIXED] = "fixed",
    [TYPE_DECIMAL] = "decimal",
    [TYPE_UNKNOWN] = "unknown",
    [TYPE_VARIANT] = "variant",
    [TYPE_GEOMETRY] = "geometry",
    [TYPE_GEOGRAPHY] = "geography",
    [TYPE_STRUCT] = "struct",
    [TYPE_LIST] = "list",
    [TYPE_MAP] = "map",
};

/* The first is the default. */
static const char *const edge_algorithms[] = {
    "spherical", "vincenty", "thomas", "andoyer", "karney",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* "name(inside)" → the two parts; false when the text has no such bracket or goes on behind it. */
static bool split_brackets(struct str text, const char brackets[2], struct str *name,
                           struct str *inside)
{
    const char *open = text.len == 0 ? NULL : memchr(text.ptr, brackets[0], text.len);

    if (open == NULL || text.ptr[text.len - 1] != brackets[1])
        return false;
    *name = str_from(text.ptr, (size_t)(open - text.ptr));
    *inside = str_from(open + 1, text.len - name->len - 2);
    return true;
}

/* Decimal digits only, within int32, spaces around allowed. */
static bool parse_number(struct str text, int64_t *out)
{
    long long value;

    text = str_trim(text);
    if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '9' || !str_to_int64(text, &value) ||
        value > INT32_MAX)
        return false;
    *out = value;
    return true;
}

static bool parse_fixed(struct str text, struct type *out)
{
    struct str name, inside;

    out->id = TYPE_FIXED;
    return split_brackets(text, "[]", &name, &inside) &&
           str_equal_ignore_case(name, STR("fixed")) && parse_number(inside, &out->length);
}

static bool parse_decimal(struct str text, struct type *out)
{
    struct str name, scale;

    out->id = TYPE_DECIMAL;
    if (!split_brackets(text, "()", &name, &scale) || !str_equal_ignore_case(name, STR("decimal")))
        return false;
    struct str precision = str_cut(&scale, ',');
    return parse_number(precision, &out->length) && parse_number(scale, &out->scale) &&
           out->length >= 1 && out->length <= DECIMAL_PRECISION_MAX;
}

/* Name and parameters of a geo type; `inside` is STR_NONE without brackets. */
static bool split_geo(struct str text, const char *type_name, struct str *inside)
{
    struct str name = text;

    *inside = STR_NONE;
    if (split_brackets(text, "()", &name, inside))
        while (name.len > 0 && is_space(name.ptr[name.len - 1]))
            name.len--;
    return str_equal_ignore_case(name, str_cstr(type_name)) && !str_contains(*inside, STR(")"));
}

static bool parse_geometry(struct str text, struct arena *arena, struct type *out)
{
    struct str inside;

    out->id = TYPE_GEOMETRY;
    out->crs = STR(CRS_DEFAULT);
    if (!split_geo(text, "geometry", &inside))
        return false;
    if (inside.ptr != NULL)
        out->crs = arena_str(arena, str_trim(inside));
    return out->crs.len > 0;
}

static bool parse_geography(struct str text, struct arena *arena, struct type *out)
{
    struct str inside;

    out->id = TYPE_GEOGRAPHY;
    out->crs = STR(CRS_DEFAULT);
    out->algorithm = str_cstr(edge_algorithms[0]);
    if (!split_geo(text, "geography", &inside))
        return false;
    if (inside.ptr == NULL)
        return true;
    struct str crs = str_cut(&inside, ',');
    out->crs = arena_str(arena, str_trim(crs));
    if (inside.ptr == NULL)
        return out->crs.len > 0;
    for (size_t i = 0; i < COUNT(edge_algorithms); i++) {
        out->algorithm = str_cstr(edge_algorithms[i]);
        if (str_equal_ignore_case(str_trim(inside), out->algorithm))
            return out->crs.len > 0;
    }
    return false;
}

static bool has_parameters(enum type_id id)
{
    return id == TYPE_FIXED || id == TYPE_DECIMAL || id == TYPE_GEOMETRY || id == TYPE_GEOGRAPHY;
}

static bool parse_plain(struct str text, struct type *out)
{
    for (size_t id = 0; id < TYPE_STRUCT; id++) {
        if (!has_parameters((enum type_id)id) &&
            str_equal_ignore_case(text, str_cstr(type_names[id]))) {
            out->id = (enum type_id)id;
            return true;
        }
    }
    return false;
}

int type_parse_text(struct str text, struct arena *arena, struct type *out, struct error *err)
{
    *out = (struct type){0};
    if (parse_plain(text, out))
        return 0;
    *out = (struct type){0};
    if (parse_fixed(text, out))
        return 0;
    *out = (struct type){0};
    if (parse_decimal(text, out))
        return 0;
    *out = (struct type){0};
    if (parse_geometry(text, arena, out))
        return 0;
    *out = (struct type){0};
    if (parse_geography(text, arena, out))
        return 0;
    return error_set(err, ERR_ILLEGAL_ARGUMENT, "Cannot parse type string to primitive: %.*s",
                     STR_ARG(text));
}

struct str type_display(const struct type *type, struct arena *arena)
{
    switch (type->id) {
    case TYPE_FIXED:
        return arena_printf(arena, "fixed[%lld]", (long long)type->length);
    case TYPE_DECIMAL:
        return arena_printf(arena, "decimal(%lld, %lld)", (long long)type->length,
                            (long long)type->scale);
    case TYPE_GEOMETRY:
        return arena_printf(arena, "geometry(%.*s)", STR_ARG(type->crs));
    case TYPE_GEOGRAPHY:
        return arena_printf(arena, "geography(%.*s, %.*s)", STR_ARG(type->crs),
                            STR_ARG(type->algorithm));
    default:
        assert(type->id < COUNT(type_names));
        return str_cstr(type_names[type->id]);
    }
}
