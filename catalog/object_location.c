/* Derives and fences the locations of tables and views. Every property that names a place is in one
 * table and is judged on the whole new metadata, not on what has changed. */
#include "catalog/object_location.h"

#include "base/raw_json.h"

const char *const object_path_properties[OBJECT_PLACES_MAX] = {
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

/* ---- the check ------------------------------------------------------------------------------- */

struct check {
    const struct object_places *places;
    struct location own; /* the object's */
    struct judged_places judged;
    struct str known_directory; /* judged a moment ago: most files lie beside their neighbours */
    struct arena *arena;
};

static struct str directory_of(struct str location)
{
    while (location.len > 0 && location.ptr[location.len - 1] != '/') {
        location.len--;
    }
    return location;
}

static int refuse_taken(const struct check *check, const struct location *location,
                        const char *what, struct error *err)
{
    const struct object_places *places = check->places;
    enum place_state state = PLACE_FREE;

    if (places->taken(places->arg, location->text, &places->claim, &state, err) != 0) {
        return -1;
    }
    switch (state) {
    case PLACE_FREE:
        break;
    case PLACE_RESERVED:
        return error_set(err, ERR_ILLEGAL_ARGUMENT,
                         "%s is reserved: a table that was staged, dropped or moved may still be "
                         "written there; try later, or another place: %.*s",
                         what, STR_ARG(location->text));
    case PLACE_TAKEN:
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "%s overlaps another %s: %.*s", what,
                         places->format->kind == OBJECT_TABLE ? "table's" : "object's",
                         STR_ARG(location->text));
    }
    return 0;
}

/* A place besides the table's own. */
static int check_place(struct check *check, struct str text, const char *what, struct error *err)
{
    struct location location;

    if (check_below(check->places->warehouse, without_trailing_slashes(text), what, check->arena,
                    &location, err) != 0) {
        return -1;
    }
    if (location_contains(&check->own, &location)) {
        return 0;
    }
    check->judged.beside[check->judged.beside_count++] = location.text;
    return refuse_taken(check, &location, what, err);
}

static int check_file(struct check *check, struct str value, const char *what, struct error *err)
{
    struct location location;

    if (value.ptr == NULL || raw_json_kind(value) != RAW_JSON_STRING) {
        return 0; /* absent; its kind was checked where it was read */
    }
    if (check_below(check->places->warehouse, raw_json_string(value, check->arena), what,
                    check->arena, &location, err) != 0) {
        return -1;
    }
    struct str directory = directory_of(location.text);
    if (location_contains(&check->own, &location) || str_equal(directory, check->known_directory)) {
        return 0;
    }
    check->known_directory = directory;
    return refuse_taken(check, &location, what, err);
}

static int check_snapshot(struct check *check, struct str snapshot, struct error *err)
{
    struct str manifest, manifests = raw_json_member(snapshot, "manifests"); /* v1 may have them */

    if (check_file(check, raw_json_member(snapshot, "manifest-list"), "Manifest list", err) != 0) {
        return -1;
    }
    if (manifests.ptr == NULL || raw_json_kind(manifests) != RAW_JSON_ARRAY) {
        return 0;
    }
    struct raw_json_cursor cursor = raw_json_enter(manifests);
    while (raw_json_next_element(&cursor, &manifest)) {
        if (check_file(check, manifest, "Manifest", err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_statistics(struct check *check, struct str statistics, struct error *err)
{
    return check_file(check, raw_json_member(statistics, "statistics-path"), "Statistics path",
                      err);
}

/* Where the elements begin that `before` does not hold. A list that only grew keeps its beginning;
 * one that lost elements is looked at as a whole. */
static size_t first_new(const struct metadata_list *list, const struct metadata_list *before)
{
    if (before == NULL || before->count == 0 || before->count > list->count) {
        return 0;
    }
    size_t last = before->count - 1;
    return list->elements[0].text.ptr == before->elements[0].text.ptr &&
                   list->elements[last].text.ptr == before->elements[last].text.ptr
               ? before->count
               : 0;
}

static int check_list(struct check *check, const struct metadata_list *list,
                      const struct metadata_list *before,
                      int (*check_element)(struct check *check, struct str element,
                                           struct error *err),
                      struct error *err)
{
    for (size_t i = first_new(list, before); i < list->count; i++) {
        if (check_element(check, list->elements[i].text, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Of a table; nothing else names files. */
static int check_files(struct check *check, struct error *err)
{
    const struct table_metadata *now = &check->places->metadata->table;
    const struct table_metadata *before =
        check->places->before == NULL ? NULL : &check->places->before->table;

    if (check_list(check, &now->snapshots, before == NULL ? NULL : &before->snapshots,
                   check_snapshot, err) != 0 ||
        check_list(check, &now->statistics, before == NULL ? NULL : &before->statistics,
                   check_statistics, err) != 0) {
        return -1;
    }
    return check_list(check, &now->partition_statistics,
                      before == NULL ? NULL : &before->partition_statistics, check_statistics, err);
}

int object_places_check(const struct object_places *places, struct arena *arena,
                        struct judged_places *out, struct error *err)
{
    struct metadata_head now = places->format->head(places->metadata);
    struct str what = arena_printf(arena, "%s location", places->format->name);
    struct check check = {.places = places, .arena = arena};
    bool stays = places->before != NULL &&
                 str_equal(places->format->head(places->before).location, now.location);

    if (check_below(places->warehouse, now.location, what.ptr, arena, &check.own, err) != 0 ||
        (!stays && refuse_taken(&check, &check.own, what.ptr, err) != 0)) {
        return -1;
    }
    for (size_t i = 0; i < OBJECT_PLACES_MAX; i++) {
        struct str path = metadata_property(&now, object_path_properties[i]);
        if (path.ptr != NULL && check_place(&check, path, object_path_properties[i], err) != 0) {
            return -1;
        }
    }
    if (places->format->kind == OBJECT_TABLE && check_files(&check, err) != 0) {
        return -1;
    }
    check.judged.location = check.own.text;
    *out = check.judged;
    return 0;
}

bool object_places_differ(const struct object_format *format, const union object_metadata *a,
                          const union object_metadata *b)
{
    struct metadata_head one = format->head(a), other = format->head(b);

    if (!str_equal(one.location, other.location)) {
        return true;
    }
    for (size_t i = 0; i < OBJECT_PLACES_MAX; i++) {
        struct str path = metadata_property(&one, object_path_properties[i]);
        struct str path_of_other = metadata_property(&other, object_path_properties[i]);
        if ((path.ptr == NULL) != (path_of_other.ptr == NULL) || !str_equal(path, path_of_other)) {
            return true;
        }
    }
    return false;
}

int free_location_check(const struct object_places *places, struct str location,
                        struct arena *arena, struct error *err)
{
    struct str what = arena_printf(arena, "%s location", places->format->name);
    struct check check = {.places = places, .arena = arena};

    if (check_below(places->warehouse, location, what.ptr, arena, &check.own, err) != 0) {
        return -1;
    }
    return refuse_taken(&check, &check.own, what.ptr, err);
}

struct str place_holder(const struct caller *caller, const struct warehouse *warehouse,
                        const struct identifier *ident, struct arena *arena)
{
    struct str ns = namespace_key(&ident->ns, arena);

    return arena_printf(arena, "%.*s\x1e%lld\x1e%.*s\x1e%.*s", STR_ARG(caller->principal),
                        (long long)warehouse->id, STR_ARG(ns), STR_ARG(ident->name));
}

int64_t place_left_until(const struct warehouse *warehouse, enum object_kind kind,
                         int64_t reserve_ms, int64_t now_ms)
{
    bool has_keys = kind == OBJECT_TABLE && warehouse->access != WAREHOUSE_DIRECT;

    return has_keys ? now_ms + reserve_ms : 0;
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

bool metadata_location_is_named_so(struct str location)
{
    const char *slash = location.len == 0 ? NULL : memrchr(location.ptr, '/', location.len);
    if (slash != NULL) {
        location = str_skip(location, (size_t)(slash - location.ptr) + 1);
    }
    return str_contains(location, STR(".metadata.json"));
}

int metadata_location_check(const struct warehouse *warehouse, struct str location,
                            struct arena *arena, struct error *err)
{
    struct location parsed;

    if (check_below(warehouse, location, "Metadata location", arena, &parsed, err) != 0) {
        return -1;
    }
    if (!metadata_location_is_named_so(parsed.path)) {
        return error_set(err, ERR_ILLEGAL_ARGUMENT, "Not a metadata file: %.*s", STR_ARG(location));
    }
    return 0;
}
