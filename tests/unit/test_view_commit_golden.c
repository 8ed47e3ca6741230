/* Commits to views and creates as data: every folder of tests/data/view_commit is a case (see the
 * README.md there). Besides what the case says, every result must survive a round trip through its
 * text, and every base must be unharmed afterwards. */
#include "tests/unit/golden_fixture.h"

#include "iceberg/view_commit.h"
#include "iceberg/view_create.h"

#define FOLDER "tests/data/view_commit"
#define LOCATION "s3://bucket/ns/v"

static struct str publish_view(struct arena *arena, const struct view_metadata *metadata)
{
    struct view_metadata published, again;
    struct error err;
    struct buf out = BUF_INIT(METADATA_FILE_BYTES_MAX);
    view_metadata_publish(metadata, arena, &out, &published);
    struct str text = str_from(out.ptr, out.len);
    arena_defer(arena, free, buf_take(&out));
    if (view_metadata_parse(text, arena, &again, &err) != 0)
        fail_msg("what was published cannot be read: %s\n%.*s", err.message, STR_ARG(text));
    struct buf second = BUF_INIT(METADATA_FILE_BYTES_MAX);
    view_metadata_publish(&published, arena, &second, &again);
    assert_true(str_equal(text, buf_str(&second)));
    buf_free(&second);
    return text;
}

static struct str checked(struct str text)
{
    struct str value;
    struct error err;
    if (raw_json_check(text, &value, &err) != 0)
        fail_msg("%s in %.*s", err.message, STR_ARG(text));
    return value;
}

/* One commit after the other, each on what the one before has left: as commits are folded. */
static void run_commits(struct arena *arena, struct str text, const struct view_metadata *base,
                        struct outcome *out)
{
    struct view_commit commit;
    struct commit_inputs inputs = {NOW_MS, NEW_UUID};
    struct view_metadata draft = *base, next;
    struct str body = STR_NONE, list = checked(text);
    bool is_list = raw_json_kind(list) == RAW_JSON_ARRAY;
    struct raw_json_cursor cursor = raw_json_enter(list);
    out->result = -1;
    while (is_list ? raw_json_next_element(&cursor, &body) : body.ptr != list.ptr) {
        bool changed;
        if (!is_list)
            body = list;
        if (view_commit_parse(body, arena, &commit, &out->err) != 0 ||
            view_commit_check(&commit, &draft, &out->err) != 0 ||
            view_commit_apply(&commit, &draft, &inputs, arena, &next, &changed, &out->err) != 0)
            return;
        out->changed = out->changed || changed;
        draft = next;
    }
    out->result = 0;
    out->document = publish_view(arena, &draft);
}

static void run_create(struct arena *arena, struct str text, struct outcome *out)
{
    struct view_create create;
    struct view_metadata metadata;
    out->result = -1;
    out->changed = true;
    if (view_create_parse(checked(text), arena, &create, &out->err) != 0 ||
        view_create_build(&create, create.location.ptr != NULL ? create.location : STR(LOCATION),
                          NEW_UUID, arena, &metadata, &out->err) != 0)
        return;
    out->result = 0;
    out->document = publish_view(arena, &metadata);
}

static struct str read_base(struct arena *arena, const char *folder)
{
    struct str text = read_text(arena, folder, "base.json");
    if (text.ptr == NULL)
        text = STR("\"view\"");
    if (text.ptr[0] != '"')
        return text;
    const char *name = json_string_value(load(arena, "base.json", text));
    return read_text(arena, FOLDER "/bases", arena_printf(arena, "%s.json", name).ptr);
}

static void run_case(void **state)
{
    const char *folder = *state;
    struct arena *arena = arena_new();
    struct view_metadata base;
    struct outcome got = {0};
    struct error err;
    struct str base_text = read_base(arena, folder);
    struct str create = read_text(arena, folder, "create.json");
    if (view_metadata_parse(base_text, arena, &base, &err) != 0)
        fail_msg("base.json: %s", err.message);
    struct str before = publish_view(arena, &base);

    if (create.ptr != NULL)
        run_create(arena, create, &got);
    else
        run_commits(arena, read_text(arena, folder, "commit.json"), &base, &got);

    struct str error_text = read_text(arena, folder, "error.json");
    if (error_text.ptr != NULL)
        expect_refusal(arena, error_text, got.result, &got.err, got.document);
    else
        expect_result(arena, folder, base_text, &got, base_with);
    assert_true(str_equal(before, publish_view(arena, &base)));
    arena_free(arena);
}

int main(void)
{
    return run_cases("view commits", FOLDER, run_case);
}
