/* Derives and fences table locations. Every property that names a place is in one table and is
 * judged on the whole new metadata, not on what has changed. */
#include "catalog/object_location.h"

static const char *const path_properties[] = {
    "write.data.path",
    "write.metadata.path",
    "write.object-storage.path",
    "write.folder-storage.path",
};

static int check_below(const struct warehouse *warehouse, struct str text, const char *what,
                       struct arena *arena, struct location *out, struct error *err)
{
    if (location_parse(text, arena, out, err) != 0) {
        return -1;
    }
    if (!location_contains(&warehouse->root, out) || str_equal(warehouse->root.text, out->text)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s is not inside warehouse %.*s: %.*s", what,
                         STR_ARG(warehouse->name), STR_ARG(text));
    }
    return 0;
}

static struct str without_trailing_slashes(struct str text)
{
    while (text.len > 1 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    return text;
}

int object_location_check(const struct warehouse *warehouse, const struct table_metadata *metadata,
                          struct arena *arena, struct str *canonical, struct error *err)
{
    struct location location;

    if (check_below(warehouse, metadata->location, "Table location", arena, &location, err) != 0) {
        return -1;
    }
    *canonical = location.text;
    for (size_t i = 0; i < sizeof path_properties / sizeof *path_properties; i++) {
        struct str path = table_metadata_property(metadata, path_properties[i]);
        if (path.ptr != NULL && check_below(warehouse, without_trailing_slashes(path),
                                            path_properties[i], arena, &location, err) != 0) {
            return -1;
        }
    }
    return 0;
}

struct str object_location_default(const struct warehouse *warehouse,
                                   const struct identifier *ident, const char *uuid, bool unique,
                                   struct arena *arena)
{
    struct buf path = BUF_INIT(LOCATION_BYTES_MAX * 8);

    buf_add(&path, warehouse->root.text);
    for (size_t i = 0; i < ident->ns.level_count; i++) {
        buf_add_char(&path, '/');
        buf_add(&path, location_segment(arena, ident->ns.levels[i]));
    }
    buf_add_char(&path, '/');
    buf_add(&path, location_segment(arena, ident->name));
    if (unique) {
        buf_add_char(&path, '-');
        for (const char *c = uuid; *c != '\0'; c++) {
            if (*c != '-') {
                buf_add_char(&path, *c);
            }
        }
    }
    struct str result = arena_str(arena, buf_str(&path));
    buf_free(&path);
    return result;
}

int metadata_location_check(const struct warehouse *warehouse, struct str location,
                            struct arena *arena, struct error *err)
{
    struct location parsed;

    if (check_below(warehouse, location, "Metadata location", arena, &parsed, err) != 0) {
        return -1;
    }
    struct str name = parsed.path;
    for (struct str rest = parsed.path; rest.ptr != NULL;) {
        name = str_cut(&rest, '/');
    }
    if (!str_contains(name, STR(".metadata.json"))) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a metadata file: %.*s", STR_ARG(location));
    }
    return 0;
}
