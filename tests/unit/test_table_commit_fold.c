/* Commits as functions: many folded on drafts and published once give the document that publishing
 * after each one gives; a refused commit and every older draft leave no trace; hostile bodies. */
#include "tests/unit/metadata_fixture.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define SEQUENCES 400
#define COMMITS 14

/* --- random commits
 * -------------------------------------------------------------------------------- */

static uint64_t random_state;

static unsigned roll(unsigned sides)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % sides;
}

static long long some_snapshot(const struct table_metadata *m)
{
    if (m->snapshots.count == 0 || roll(12) == 0)
        return 5000 + roll(10);
    return m->snapshots.elements[roll((unsigned)m->snapshots.count)].id;
}

static void add_snapshot(struct buf *out, const struct table_metadata *m)
{
    long long id = 1000 + roll(100000), sequence = m->last_sequence_number + 1 - (roll(10) == 0);
    buf_add_format(out, "{\"action\":\"add-snapshot\",\"snapshot\":{\"snapshot-id\":%lld,", id);
    if (m->format_version > 1)
        buf_add_format(out, "\"sequence-number\":%lld,", sequence);
    if (m->current_snapshot_id != SNAPSHOT_NONE)
        buf_add_format(out, "\"parent-snapshot-id\":%lld,", (long long)m->current_snapshot_id);
    if (m->format_version > 2)
        buf_add_format(out, "\"first-row-id\":%lld,\"added-rows\":%u,", (long long)m->next_row_id,
                       roll(50));
    buf_add_format(out,
                   "\"timestamp-ms\":%lld,\"summary\":{\"operation\":\"append\"},\"x\":[%u],"
                   "\"manifest-list\":\"s3://b/%lld.avro\"}}",
                   1700000000000 + (long long)roll(1000), roll(9), id);
    if (roll(4) != 0)
        buf_add_format(
            out,
            ",{\"action\":\"set-snapshot-ref\",\"ref-name\":\"main\",\"type\":\"branch\","
            "\"snapshot-id\":%lld}",
            id);
}

static void move_ref(struct buf *out, const struct table_metadata *m)
{
    static const char *const names[] = {"main", "dev", "release", "a", "b \\\"q\\\"", "c"};
    if (roll(4) == 0)
        buf_add_format(out, "{\"action\":\"remove-snapshot-ref\",\"ref-name\":\"%s\"}",
                       names[roll(6)]);
    else
        buf_add_format(out,
                       "{\"action\":\"set-snapshot-ref\",\"ref-name\":\"%s\",\"type\":\"%s\","
                       "\"snapshot-id\":%lld,\"max-ref-age-ms\":%u}",
                       names[roll(6)], roll(3) == 0 ? "tag" : "branch", some_snapshot(m),
                       1 + roll(3));
}

static void remove_snapshots(struct buf *out, const struct table_metadata *m)
{
    buf_add_format(out, "{\"action\":\"remove-snapshots\",\"snapshot-ids\":[%lld,%lld]}",
                   some_snapshot(m), some_snapshot(m));
}

static void change_properties(struct buf *out, const struct table_metadata *m)
{
    (void)m;
    if (roll(3) == 0)
        buf_add_format(out, "{\"action\":\"remove-properties\",\"removals\":[\"k%u\",\"k%u\"]}",
                       roll(9), roll(9));
    else
        buf_add_format(out, "{\"action\":\"set-properties\",\"updates\":{\"k%u\":\"v\\n%u\"}}",
                       roll(9), roll(9));
}

static void change_schema(struct buf *out, const struct table_metadata *m)
{
    (void)m;
    if (roll(5) == 0) {
        buf_add_format(out, "{\"action\":\"remove-schemas\",\"schema-ids\":[%u]}", roll(6));
        return;
    }
    buf_add_format(out,
                   "{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":["
                   "{\"id\":%u,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
                   "{\"id\":%u,\"name\":\"c%u\",\"required\":false,\"type\":\"string\"}]}}",
                   roll(8) == 0 ? 40u : 1u, 5 + roll(4), roll(4));
    if (roll(2) == 0)
        buf_add_cstr(out, ",{\"action\":\"set-current-schema\",\"schema-id\":-1}");
}

static void change_spec(struct buf *out, const struct table_metadata *m)
{
    (void)m;
    if (roll(5) == 0) {
        buf_add_format(out, "{\"action\":\"remove-partition-specs\",\"spec-ids\":[%u]}", roll(6));
        return;
    }
    buf_add_format(out,
                   "{\"action\":\"add-spec\",\"spec\":{\"spec-id\":0,\"fields\":[{\"source-id\":1,"
                   "\"name\":\"p%u\",\"transform\":\"bucket[%u]\"}]}}",
                   roll(3), 2 + roll(3));
    if (roll(2) == 0)
        buf_add_cstr(out, ",{\"action\":\"set-default-spec\",\"spec-id\":-1}");
}

static void change_order(struct buf *out, const struct table_metadata *m)
{
    (void)m;
    buf_add_format(out,
                   "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":3,\"fields\":["
                   "{\"source-id\":1,\"transform\":\"bucket[%u]\",\"direction\":\"asc\","
                   "\"null-order\":\"nulls-first\"}]}}",
                   2 + roll(4));
    if (roll(2) == 0)
        buf_add_cstr(out, ",{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1}");
}

static void change_files(struct buf *out, const struct table_metadata *m)
{
    switch (roll(5)) {
    case 0:
        buf_add_format(out,
                       "{\"action\":\"set-statistics\",\"statistics\":{\"snapshot-id\":%lld,"
                       "\"statistics-path\":\"p%u\",\"file-size-in-bytes\":1,"
                       "\"file-footer-size-in-bytes\":1,\"blob-metadata\":[]}}",
                       some_snapshot(m), roll(99));
        break;
    case 1:
        buf_add_format(out, "{\"action\":\"remove-statistics\",\"snapshot-id\":%lld}",
                       some_snapshot(m));
        break;
    case 2:
        buf_add_format(out,
                       "{\"action\":\"set-partition-statistics\",\"partition-statistics\":{"
                       "\"snapshot-id\":%lld,\"statistics-path\":\"p\",\"file-size-in-bytes\":1}}",
                       some_snapshot(m));
        break;
    case 3:
        buf_add_format(out,
                       "{\"action\":\"add-encryption-key\",\"encryption-key\":{\"key-id\":\"k%u\","
                       "\"encrypted-key-metadata\":\"AAAA\"}}",
                       roll(4));
        break;
    default:
        buf_add_format(out, "{\"action\":\"remove-encryption-key\",\"key-id\":\"k%u\"}", roll(4));
        break;
    }
}

static void change_head(struct buf *out, const struct table_metadata *m)
{
    if (roll(3) == 0)
        buf_add_format(out, "{\"action\":\"upgrade-format-version\",\"format-version\":%d}",
                       m->format_version + (int)roll(2));
    else
        buf_add_format(out, "{\"action\":\"set-location\",\"location\":\"s3://b/t%u\"}", roll(3));
}

static struct str random_commit(struct arena *arena, const struct table_metadata *m)
{
    static void (*const writers[])(struct buf *, const struct table_metadata *) = {
        add_snapshot,     add_snapshot,      add_snapshot,  move_ref,
        remove_snapshots, change_properties, change_schema, change_spec,
        change_order,     change_files,      change_files,  change_head,
    };
    struct buf buf = BUF_INIT(SIZE_MAX);
    buf_add_cstr(&buf, "{\"updates\":[");
    for (unsigned i = 0, n = 1 + roll(3); i < n; i++) {
        if (i > 0)
            buf_add_char(&buf, ',');
        writers[roll(COUNT_OF(writers))](&buf, m);
    }
    buf_add_cstr(&buf, "]}");
    struct str text = arena_str(arena, buf_str(&buf));
    buf_free(&buf);
    return text;
}

/* --- folding
 * ------------------------------------------------------------------------------------------ */

static int apply(struct arena *arena, struct str text, const struct table_metadata *base,
                 int64_t now_ms, struct table_metadata *next, bool *changed, struct error *err)
{
    struct table_commit commit;
    struct commit_inputs inputs = {now_ms, UUID};
    if (parse_commit(arena, text, &commit, err) != 0)
        return -1;
    return table_commit_apply(&commit, base, &inputs, arena, next, changed, err);
}

/* The document without the metadata log, where folding shows. */
static struct str document_of(struct arena *arena, const struct table_metadata *metadata)
{
    struct table_metadata copy = *metadata, published;
    copy.metadata_log = (struct metadata_list){NULL, 0, 0};
    return publish(arena, &copy, &published);
}

struct path {
    struct table_metadata drafts[COMMITS + 1]; /* folded */
    struct str documents[COMMITS + 1];         /* of each draft when it was made */
    struct table_metadata published;           /* published after each commit */
    struct table_metadata parsed;              /* published and read again after each */
};

static void expect_same_outcome(int a, const struct error *x, int b, const struct error *y)
{
    assert_int_equal(a, b);
    if (a != 0) {
        assert_int_equal(x->kind, y->kind);
        assert_string_equal(x->message, y->message);
    }
}

/* One commit on all three paths. False when it was refused. */
static bool step(struct arena *arena, struct path *path, size_t i, struct str text)
{
    bool changed[3];
    struct error err[3] = {0};
    struct table_metadata next, again;
    int64_t now_ms = 1700000001000 + (int64_t)i * 10 - (int64_t)roll(30);
    int folded =
        apply(arena, text, &path->drafts[i], now_ms, &path->drafts[i + 1], &changed[0], &err[0]);
    int published = apply(arena, text, &path->published, now_ms, &next, &changed[1], &err[1]);
    int parsed = apply(arena, text, &path->parsed, now_ms, &again, &changed[2], &err[2]);
    expect_same_outcome(folded, &err[0], published, &err[1]);
    expect_same_outcome(folded, &err[0], parsed, &err[2]);
    if (folded != 0)
        return false;
    assert_true(changed[0] == changed[1] && changed[0] == changed[2]);
    table_metadata_log_append(&next, STR("s3://b/00000-a"), path->published.last_updated_ms, arena);
    publish(arena, &next, &path->published);
    struct table_metadata unused;
    path->parsed = parse_metadata(arena, publish(arena, &again, &unused));
    return true;
}

static void run_sequence(const char *base_name, uint64_t seed)
{
    struct arena *arena = arena_new();
    struct path path;
    size_t count = 0;
    random_state = seed;
    path.drafts[0] = parse_metadata(arena, read_base_text(arena, base_name));
    path.published = path.parsed = path.drafts[0];
    path.documents[0] = document_of(arena, &path.drafts[0]);
    for (int tries = 0; tries < COMMITS; tries++) {
        if (!step(arena, &path, count, random_commit(arena, &path.drafts[count])))
            continue;
        count++;
        path.documents[count] = document_of(arena, &path.drafts[count]);
        assert_true(str_equal(path.documents[count], document_of(arena, &path.published)));
        assert_true(str_equal(path.documents[count], document_of(arena, &path.parsed)));
    }
    for (size_t i = 0; i <= count; i++)
        assert_true(str_equal(path.documents[i], document_of(arena, &path.drafts[i])));
    arena_free(arena);
}

static void test_folding_is_publishing_after_each(void **state)
{
    static const char *const names[] = {"v1", "v2", "v3", "v2-without-snapshots"};
    (void)state;
    for (uint64_t seed = 0; seed < SEQUENCES; seed++)
        run_sequence(names[seed % COUNT_OF(names)], seed);
}

static void test_create_folds_too(void **state)
{
    static const char create[] =
        "{\"requirements\":[{\"type\":\"assert-create\"}],\"updates\":["
        "{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":[]}},"
        "{\"action\":\"set-current-schema\",\"schema-id\":-1},"
        "{\"action\":\"add-spec\",\"spec\":{\"spec-id\":0,\"fields\":[]}},"
        "{\"action\":\"set-default-spec\",\"spec-id\":-1},"
        "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":0,\"fields\":[]}},"
        "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1},"
        "{\"action\":\"set-location\",\"location\":\"s3://b/t\"}]}";
    struct table_metadata created, next;
    struct error err;
    bool changed;
    int result = apply(*state, str_cstr(create), NULL, 1700000000000, &created, &changed, &err);
    expect_success("create", result, &err);
    assert_true(changed);
    random_state = 1;
    struct str append =
        STR("{\"updates\":[{\"action\":\"add-snapshot\",\"snapshot\":{"
            "\"snapshot-id\":1,\"sequence-number\":1,\"timestamp-ms\":1700000000000,"
            "\"manifest-list\":\"x\"}}]}");
    result = apply(*state, append, &created, 1700000000001, &next, &changed, &err);
    expect_success("append", result, &err);
    parse_metadata(*state, document_of(*state, &next));
}

/* --- refusals leave no trace
 * --------------------------------------------------------------------------- */

/* Each update does its work and then the last one is refused. */
static void test_refused_commit_leaves_base_unharmed(void **state)
{
    static const char bad[] = "{\"action\":\"set-default-spec\",\"spec-id\":99}";
    struct table_metadata base = parse_metadata(*state, read_base_text(*state, "v3"));
    struct table_metadata draft, next;
    struct error err;
    bool changed;
    int made = apply(*state,
                     STR("{\"updates\":[{\"action\":\"set-properties\",\"updates\":{"
                         "\"a\":\"b\"}}]}"),
                     &base, 1700000000000, &draft, &changed, &err);
    expect_success("draft", made, &err);
    struct str before = document_of(*state, &base), draft_before = document_of(*state, &draft);
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_state = seed;
        struct str good = random_commit(*state, &draft);
        struct str text = arena_printf(*state, "%.*s,%s]}", (int)good.len - 2, good.ptr, bad);
        assert_int_equal(apply(*state, text, &draft, 1700000000000, &next, &changed, &err), -1);
        assert_int_equal(apply(*state, text, &base, 1700000000000, &next, &changed, &err), -1);
        assert_true(str_equal(before, document_of(*state, &base)));
        assert_true(str_equal(draft_before, document_of(*state, &draft)));
    }
}

static void test_no_effect_is_base(void **state)
{
    struct table_metadata base = parse_metadata(*state, read_base_text(*state, "v2"));
    struct table_metadata next;
    struct error err;
    bool changed = true;
    int result = apply(*state,
                       STR("{\"updates\":[{\"action\":\"remove-snapshot-ref\",\"ref-name\":"
                           "\"nope\"}]}"),
                       &base, 1800000000000, &next, &changed, &err);
    expect_success("no effect", result, &err);
    assert_false(changed);
    assert_true(str_equal(document_of(*state, &base), document_of(*state, &next)));
    assert_true(next.snapshots.elements == base.snapshots.elements);
}

/* --- shape
 * -------------------------------------------------------------------------------------------- */

static void test_what_a_commit_says_of_itself(void **state)
{
    struct table_commit commit;
    struct error err;
    assert_int_equal(parse_commit(*state, STR("{}"), &commit, &err), 0);
    assert_true(!commit.is_create && !commit.adds_snapshot && commit.update_count == 0);
    struct str text = read_text(*state, COMMIT_CASES "/create-with-snapshot", "commit.json");
    assert_int_equal(parse_commit(*state, text, &commit, &err), 0);
    assert_true(commit.is_create && commit.adds_snapshot && commit.requirement_count == 1);
    text = read_text(*state, COMMIT_CASES "/append", "commit.json");
    assert_int_equal(parse_commit(*state, text, &commit, &err), 0);
    assert_true(!commit.is_create && commit.adds_snapshot && commit.requirement_count == 2);
}

static struct str repeated(struct arena *arena, const char *list, const char *element, size_t count)
{
    struct buf buf = BUF_INIT(SIZE_MAX);
    buf_add_format(&buf, "{\"%s\":[", list);
    for (size_t i = 0; i < count; i++)
        buf_add_format(&buf, "%s%s", i == 0 ? "" : ",", element);
    buf_add_cstr(&buf, "]}");
    struct str text = arena_str(arena, buf_str(&buf));
    buf_free(&buf);
    return text;
}

static void test_ceilings(void **state)
{
    static const char update[] = "{\"action\":\"remove-schemas\",\"schema-ids\":[]}";
    static const char requirement[] = "{\"type\":\"assert-default-spec-id\",\"default-spec-id\":0}";
    struct table_commit commit;
    struct error err;
    struct str text = repeated(*state, "updates", update, COMMIT_UPDATES_MAX);
    expect_success("updates", parse_commit(*state, text, &commit, &err), &err);
    text = repeated(*state, "updates", update, COMMIT_UPDATES_MAX + 1);
    expect_error("updates", parse_commit(*state, text, &commit, &err), &err, ERR_BAD_REQUEST,
                 "A commit has at most 10000 updates");
    text = repeated(*state, "requirements", requirement, COMMIT_REQUIREMENTS_MAX + 1);
    expect_error("requirements", parse_commit(*state, text, &commit, &err), &err, ERR_BAD_REQUEST,
                 "A commit has at most 1000 requirements");
}

static void test_properties_ceilings(void **state)
{
    struct table_metadata base = parse_metadata(*state, read_base_text(*state, "v2"));
    struct table_metadata next;
    struct error err;
    bool changed;
    struct buf buf = BUF_INIT(SIZE_MAX);
    buf_add_cstr(&buf, "{\"updates\":[{\"action\":\"set-properties\",\"updates\":{");
    for (int i = 0; i < PROPERTIES_MAX; i++)
        buf_add_format(&buf, "%s\"k%d\":\"\"", i == 0 ? "" : ",", i);
    buf_add_cstr(&buf, "}}]}");
    expect_error("too many", apply(*state, buf_str(&buf), &base, 0, &next, &changed, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "there can be at most 5000");
    buf_clear(&buf);
    buf_add_cstr(&buf, "{\"updates\":[{\"action\":\"set-properties\",\"updates\":{\"k\":\"");
    for (int i = 0; i <= PROPERTY_BYTES_MAX; i++)
        buf_add_char(&buf, 'x');
    buf_add_cstr(&buf, "\"}}]}");
    expect_error("too long", apply(*state, buf_str(&buf), &base, 0, &next, &changed, &err), &err,
                 ERR_ILLEGAL_ARGUMENT, "more than 65536 bytes");
    buf_free(&buf);
}

/* 10,000 snapshots, then one update per removed snapshot: must not copy the list each time. */
static void test_many_snapshots_expired_one_by_one(void **state)
{
    struct table_metadata base = parse_metadata(*state, read_base_text(*state, "v2"));
    struct table_metadata next;
    struct error err;
    bool changed;
    for (int64_t i = 0; i < 10000; i++)
        metadata_list_append(&base.snapshots,
                             (struct metadata_element){.text = STR("{}"), .id = 100000 + i},
                             *state);
    struct buf buf = BUF_INIT(SIZE_MAX);
    buf_add_cstr(&buf, "{\"updates\":[");
    for (int i = 0; i < 9999; i++)
        buf_add_format(&buf, "%s{\"action\":\"remove-snapshots\",\"snapshot-ids\":[%d]}",
                       i == 0 ? "" : ",", 100000 + i);
    buf_add_cstr(&buf, "]}");
    size_t bytes_before = arena_bytes(*state);
    int result = apply(*state, buf_str(&buf), &base, 0, &next, &changed, &err);
    expect_success("expire", result, &err);
    assert_int_equal(next.snapshots.count, 5);
    assert_true(arena_bytes(*state) - bytes_before < 16u << 20);
    buf_free(&buf);
}

/* --- hostile
 * ------------------------------------------------------------------------------------------- */

static const char *const replacements[] = {
    "null",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "\"\"",
    "\"x\"",
    "[]",
    "[1]",
    "[\"x\"]",
    "[{}]",
    "{}",
    "{\"a\":1}",
};

static void try_commit(const struct table_metadata *base, const json_t *root)
{
    struct arena *arena = arena_new();
    struct table_metadata next;
    struct error err = {0};
    bool changed;
    if (apply(arena, dump(arena, root), base, 1700000100000, &next, &changed, &err) == 0)
        parse_metadata(arena, document_of(arena, &next));
    else
        assert_true(error_status(err.kind) == 400 || error_status(err.kind) == 409);
    arena_free(arena);
}

static void replace_each(const struct table_metadata *base, json_t *root, json_t *value)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 0;
    for (size_t i = 0; i < count; i++) {
        json_t *old = json_incref(json_array_get(value, i));
        for (size_t j = 0; j < COUNT_OF(replacements); j++) {
            json_array_set_new(value, i, json_loads(replacements[j], JSON_DECODE_ANY, NULL));
            try_commit(base, root);
        }
        json_array_set_new(value, i, old);
        replace_each(base, root, old);
    }
    for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
        json_t *old = json_incref(json_object_iter_value(at));
        for (size_t j = 0; j < COUNT_OF(replacements); j++) {
            json_object_iter_set_new(value, at, json_loads(replacements[j], JSON_DECODE_ANY, NULL));
            try_commit(base, root);
        }
        json_object_iter_set_new(value, at, old);
        replace_each(base, root, old);
    }
}

static void test_every_value_of_another_kind(void **state)
{
    static const char *const cases[] = {"rows-append",          "replace",
                                        "statistics-set",       "partition-statistics-set",
                                        "key-add-second",       "create-multiple-schemas",
                                        "ref-new-branch",       "expire-one-per-update",
                                        "properties-set",       "properties-removed",
                                        "create-nested-schema", "require-ref",
                                        "schema-v3-types"};
    struct table_metadata base = parse_metadata(*state, read_base_text(*state, "v3"));
    struct str before = document_of(*state, &base);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *folder = arena_printf(*state, COMMIT_CASES "/%s", cases[i]).ptr;
        json_t *commit = load(*state, cases[i], read_text(*state, folder, "commit.json"));
        replace_each(&base, commit, commit);
    }
    assert_true(str_equal(before, document_of(*state, &base)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_folding_is_publishing_after_each),
        ARENA_TEST(test_create_folds_too),
        ARENA_TEST(test_refused_commit_leaves_base_unharmed),
        ARENA_TEST(test_no_effect_is_base),
        ARENA_TEST(test_what_a_commit_says_of_itself),
        ARENA_TEST(test_ceilings),
        ARENA_TEST(test_properties_ceilings),
        ARENA_TEST(test_many_snapshots_expired_one_by_one),
        ARENA_TEST(test_every_value_of_another_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
