/* What the tests of metadata and commits share: documents from files, publishing into an arena. */
#ifndef TESTS_UNIT_METADATA_FIXTURE_H
#define TESTS_UNIT_METADATA_FIXTURE_H

#include "tests/unit/iceberg_fixture.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/raw_json.h"
#include "iceberg/table_commit.h"

#define COMMIT_CASES "tests/data/commit"

/* STR_NONE when there is no such file. */
static inline struct str read_text(struct arena *arena, const char *folder, const char *name)
{
    struct str path = arena_printf(arena, "%s/%s", folder, name);
    FILE *file = fopen(path.ptr, "rb");
    if (file == NULL)
        return STR_NONE;
    struct buf buf = BUF_INIT(METADATA_FILE_BYTES_MAX);
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;)
        buf_add(&buf, str_from(block, n));
    fclose(file);
    struct str text = arena_str(arena, buf_str(&buf));
    buf_free(&buf);
    return text;
}

static inline json_t *load(struct arena *arena, const char *what, struct str text)
{
    json_error_t error;
    json_t *json = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &error);
    if (json == NULL)
        fail_msg("%s: %s", what, error.text);
    arena_defer(arena, drop_json, json);
    return json;
}

static inline struct str dump(struct arena *arena, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    arena_defer(arena, free, text);
    return str_cstr(text);
}

/* One of the bases in tests/data/commit/bases. */
static inline struct str read_base_text(struct arena *arena, const char *name)
{
    struct str text =
        read_text(arena, COMMIT_CASES "/bases", arena_printf(arena, "%s.json", name).ptr);
    if (text.ptr == NULL)
        fail_msg("no base named %s", name);
    return text;
}

static inline struct table_metadata parse_metadata(struct arena *arena, struct str text)
{
    struct table_metadata metadata;
    struct error err;
    if (table_metadata_parse(text, arena, &metadata, &err) != 0)
        fail_msg("cannot be read: %s\n%.*s", err.message, STR_ARG(text));
    return metadata;
}

/* The document lives as long as the arena. */
static inline struct str publish(struct arena *arena, const struct table_metadata *metadata,
                                 struct table_metadata *published)
{
    struct buf out = BUF_INIT(METADATA_FILE_BYTES_MAX);
    table_metadata_publish(metadata, arena, &out, published);
    assert_false(out.overflowed);
    struct str text = str_from(out.ptr, out.len);
    arena_defer(arena, free, buf_take(&out));
    return text;
}

static inline int parse_commit(struct arena *arena, struct str text, struct table_commit *commit,
                               struct error *err)
{
    struct str body;
    if (raw_json_check(text, &body, err) != 0)
        return -1;
    return table_commit_parse(body, arena, commit, err);
}

/* Both say the same; else it is told which member does not. */
static inline void expect_equal(struct arena *arena, struct str got, const json_t *want)
{
    const json_t *document = load(arena, "the result", got);
    if (json_equal(document, want))
        return;
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)want, name, value)
    {
        if (!json_equal(json_object_get(document, name), value))
            fail_msg("%s\ngot  %s\nwant %s", name,
                     json_dumps(json_object_get(document, name), JSON_ENCODE_ANY),
                     json_dumps(value, JSON_ENCODE_ANY));
    }
    json_object_foreach((json_t *)document, name, value)
    {
        if (json_object_get(want, name) == NULL)
            fail_msg("unexpected %s: %s", name, json_dumps(value, JSON_ENCODE_ANY));
    }
}

/* The refusal that error_text tells of: kind, status, beginning of the message. `document` is what
 * came out instead. */
static inline void expect_refusal(struct arena *arena, struct str error_text, int result,
                                  const struct error *err, struct str document)
{
    json_t *want = load(arena, "error.json", error_text);
    const char *kind = json_string_value(json_object_get(want, "kind"));
    const char *message = json_string_value(json_object_get(want, "message"));
    if (result == 0)
        fail_msg("accepted: %.*s", STR_ARG(document));
    if (strcmp(error_name(err->kind), kind) != 0 ||
        !str_starts_with(str_cstr(err->message), str_cstr(message)))
        fail_msg("got %s: %s\nwant %s: %s", error_name(err->kind), err->message, kind, message);
    assert_int_equal(error_status(err->kind), json_integer_value(json_object_get(want, "status")));
}

#endif
