/* Metadata documents: reading, publishing, what both keep; file names and the metadata log. */
#include "tests/unit/metadata_fixture.h"

#define UUID "9c12d441-03fe-4693-9a96-a0705ddf69c1"

static const struct {
    const char *name;
    size_t offset;
} lists[] = {
    {"schemas", offsetof(struct table_metadata, schemas)},
    {"partition-specs", offsetof(struct table_metadata, partition_specs)},
    {"sort-orders", offsetof(struct table_metadata, sort_orders)},
    {"snapshots", offsetof(struct table_metadata, snapshots)},
    {"snapshot-log", offsetof(struct table_metadata, snapshot_log)},
    {"metadata-log", offsetof(struct table_metadata, metadata_log)},
    {"statistics", offsetof(struct table_metadata, statistics)},
    {"partition-statistics", offsetof(struct table_metadata, partition_statistics)},
    {"encryption-keys", offsetof(struct table_metadata, encryption_keys)},
};

static const struct metadata_list *list_at(const struct table_metadata *metadata, size_t i)
{
    return (const struct metadata_list *)((const char *)metadata + lists[i].offset);
}

static bool inside(struct str part, struct str whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

/* The two hold the same; the texts of `published` lie in `document`. */
static void expect_published(const struct table_metadata *draft,
                             const struct table_metadata *published, struct str document)
{
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        const struct metadata_list *a = list_at(draft, i), *b = list_at(published, i);
        assert_int_equal(a->count, b->count);
        for (size_t j = 0; j < a->count; j++) {
            const struct metadata_element *x = &a->elements[j], *y = &b->elements[j];
            assert_true(str_equal(x->text, y->text));
            assert_true(inside(y->text, document));
            assert_true(str_equal(x->key, y->key));
            assert_true(x->id == y->id && x->sequence_number == y->sequence_number &&
                        x->timestamp_ms == y->timestamp_ms);
        }
    }
    assert_true(str_equal(draft->location, published->location));
    assert_true(str_equal(draft->table_uuid, published->table_uuid));
    assert_int_equal(draft->property_count, published->property_count);
    assert_int_equal(draft->ref_count, published->ref_count);
    assert_int_equal(draft->unknown_count, published->unknown_count);
}

/* Every base: the document is the same JSON, and publishing what was published the same bytes. */
static void test_round_trip(void **state)
{
    static const char *const names[] = {"v1", "v2", "v3", "v2-without-snapshots"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct table_metadata published, again;
        struct str text = read_base_text(*state, names[i]);
        struct table_metadata metadata = parse_metadata(*state, text);
        struct str document = publish(*state, &metadata, &published);
        assert_true(json_equal(load(*state, "a", text), load(*state, "b", document)));
        expect_published(&metadata, &published, document);
        struct str second = publish(*state, &published, &again);
        assert_true(str_equal(document, second));
        expect_published(&published, &again, second);
        struct table_metadata parsed = parse_metadata(*state, document);
        expect_published(&parsed, &published, document);
    }
}

static json_t *base_json(void **state, const char *name)
{
    return load(*state, name, read_base_text(*state, name));
}

static void test_head(void **state)
{
    struct table_metadata m = parse_metadata(*state, read_base_text(*state, "v3"));
    assert_int_equal(m.format_version, 3);
    assert_true(str_equal_cstr(m.table_uuid, UUID));
    assert_true(str_equal_cstr(m.location, "s3://bucket/ns/t"));
    assert_true(m.last_sequence_number == 4 && m.last_updated_ms == 1700000000000);
    assert_true(m.last_column_id == 4 && m.current_schema_id == 0 && m.default_spec_id == 0);
    assert_true(m.last_partition_id == 1000 && m.default_sort_order_id == 0);
    assert_true(m.current_snapshot_id == 44 && m.next_row_id == 100);
    assert_int_equal(m.snapshots.count, 4);
    assert_true(metadata_list_find(&m.snapshots, 43)->sequence_number == 3);
    assert_null(metadata_list_find(&m.snapshots, 45));
    const struct metadata_ref *ref = table_metadata_ref(&m, STR("release"));
    assert_true(ref->is_tag && ref->snapshot_id == 42 && ref->max_ref_age_ms == 1000);
    assert_null(table_metadata_ref(&m, STR("rel")));
    assert_true(str_equal_cstr(table_metadata_property(&m, "owner"), "ann"));
    assert_null(table_metadata_property(&m, "own").ptr);
}

static void test_property_true(void **state)
{
    json_t *json = base_json(state, "v2");
    json_t *properties = json_object_get(json, "properties");
    json_object_set_new(properties, "yes", json_string("TRUE"));
    json_object_set_new(properties, "no", json_string("False"));
    json_object_set_new(properties, "odd", json_string("1"));
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    assert_true(table_metadata_property_true(&m, "yes", false));
    assert_false(table_metadata_property_true(&m, "no", true));
    assert_true(table_metadata_property_true(&m, "odd", true));
    assert_false(table_metadata_property_true(&m, "odd", false));
    assert_true(table_metadata_property_true(&m, "absent", true));
}

static void test_unknown_members_survive(void **state)
{
    struct table_metadata published;
    json_t *json = base_json(state, "v2");
    json_object_set_new(json, "x-\"quoted\"", json_pack("{s:[i,n]}", "a", 1));
    json_object_set_new(json, "next-row-id-later", json_real(1.5));
    json_object_set_new(json_array_get(json_object_get(json, "snapshots"), 0), "x", json_true());
    json_object_set_new(json_array_get(json_object_get(json, "schemas"), 0), "x", json_true());
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    assert_int_equal(m.unknown_count, 2);
    struct str document = publish(*state, &m, &published);
    assert_true(json_equal(json, load(*state, "published", document)));
}

/* What another format version would need is known, not unknown: it does not pile up. */
static void test_members_of_other_versions_go(void **state)
{
    struct table_metadata published;
    json_t *json = base_json(state, "v2");
    json_t *want = json_deep_copy(json);
    json_object_set_new(json, "next-row-id", json_integer(7));
    json_object_set_new(json, "schema", json_object());
    json_object_set_new(json, "partition-spec", json_array());
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    struct str document = publish(*state, &m, &published);
    assert_true(json_equal(want, load(*state, "published", document)));
    json_decref(want);
}

static void test_keys_with_escapes(void **state)
{
    struct table_metadata published;
    json_t *json = base_json(state, "v3");
    json_t *entry = json_array_get(json_object_get(json, "metadata-log"), 0);
    json_object_set_new(entry, "metadata-file", json_string("s3://b/\"x\".metadata.json"));
    json_object_set_new(
        json, "encryption-keys",
        json_pack("[{s:s,s:s}]", "key-id", "k\n1", "encrypted-key-metadata", "aGVsbG8="));
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    assert_true(str_equal_cstr(m.metadata_log.elements[0].key, "s3://b/\"x\".metadata.json"));
    assert_true(str_equal_cstr(m.encryption_keys.elements[0].key, "k\n1"));
    struct str document = publish(*state, &m, &published);
    expect_published(&m, &published, document);
}

/* Text that takes more room than was reserved makes the buffer move under what is published. */
static void test_publish_into_a_moving_buffer(void **state)
{
    struct table_metadata published;
    struct table_metadata m = parse_metadata(*state, read_base_text(*state, "v2"));
    char *controls = arena_alloc(*state, 60000);
    memset(controls, 1, 60000);
    struct metadata_property properties[] = {{STR("a"), str_from(controls, 60000)},
                                             {STR("b"), str_from(controls, 60000)}};
    m.properties = properties;
    m.property_count = 2;
    struct buf out = BUF_INIT(METADATA_FILE_BYTES_MAX);
    buf_add_cstr(&out, "{\"metadata\":");
    table_metadata_publish(&m, *state, &out, &published);
    struct str document = str_skip(buf_str(&out), strlen("{\"metadata\":"));
    expect_published(&m, &published, document);
    struct table_metadata parsed = parse_metadata(*state, document);
    expect_published(&parsed, &published, document);
    buf_free(&out);
}

static void test_publish_under_a_ceiling(void **state)
{
    struct table_metadata published;
    struct table_metadata m = parse_metadata(*state, read_base_text(*state, "v2"));
    struct str document = publish(*state, &m, &published);
    for (size_t max = 0; max < document.len; max += 97) {
        struct buf out = BUF_INIT(max);
        table_metadata_publish(&m, *state, &out, &published);
        assert_true(out.overflowed);
        assert_true(published.format_version == 0 && published.snapshots.count == 0);
        buf_free(&out);
    }
    struct buf out = BUF_INIT(document.len);
    table_metadata_publish(&m, *state, &out, &published);
    assert_false(out.overflowed);
    assert_true(str_equal(buf_str(&out), document));
    buf_free(&out);
}

/* Texts from several places: runs of the old document, gaps, and new ones. */
static void test_publish_of_a_patchwork(void **state)
{
    struct table_metadata published;
    struct table_metadata m = parse_metadata(*state, read_base_text(*state, "v2"));
    struct str compact = publish(*state, &m, &published);
    struct table_metadata old = parse_metadata(*state, compact);
    struct metadata_list patchwork = {NULL, 0, 0};
    struct metadata_element fresh = old.snapshots.elements[1];
    fresh.text = arena_str(*state, fresh.text);
    metadata_list_append(&patchwork, old.snapshots.elements[2], *state);
    metadata_list_append(&patchwork, old.snapshots.elements[3], *state);
    metadata_list_append(&patchwork, fresh, *state);
    metadata_list_append(&patchwork, old.snapshots.elements[0], *state);
    old.snapshots = patchwork;
    struct str document = publish(*state, &old, &published);
    expect_published(&old, &published, document);
    struct table_metadata parsed = parse_metadata(*state, document);
    assert_true(parsed.snapshots.elements[0].id == 43 && parsed.snapshots.elements[3].id == 41);
}

/* Two texts of 15 bytes lie 16 apart in an arena: one byte between, which is no comma. */
static void test_neighbours_without_a_comma(void **state)
{
    static char memory[64];
    struct table_metadata published;
    struct table_metadata m = parse_metadata(*state, read_base_text(*state, "v2"));
    struct metadata_element a =
        m.statistics.count > 0 ? m.statistics.elements[0] : (struct metadata_element){.id = 1};
    struct metadata_element b = a;
    memcpy(memory, "{\"x\":1111}\0{\"x\":2222}", 21);
    a.text = str_from(memory, 10);
    b.text = str_from(memory + 11, 10);
    m.statistics = (struct metadata_list){NULL, 0, 0};
    metadata_list_append(&m.statistics, a, *state);
    metadata_list_append(&m.statistics, b, *state);
    struct str document = publish(*state, &m, &published);
    assert_true(str_contains(document, STR("\"statistics\":[{\"x\":1111},{\"x\":2222}]")));
}

/* The room behind a list is the first copy's that asks; the others keep what they have. */
static void test_copies_of_a_list_grow_apart(void **state)
{
    struct metadata_list list = metadata_list_new(4, *state);
    for (int64_t i = 0; i < 2; i++)
        metadata_list_append(&list, (struct metadata_element){.text = STR("{}"), .id = i}, *state);
    struct metadata_list first = list, second = list, front_cut = list;
    front_cut.elements++, front_cut.count--, front_cut.capacity--;
    metadata_list_append(&first, (struct metadata_element){.text = STR("{}"), .id = 10}, *state);
    metadata_list_append(&second, (struct metadata_element){.text = STR("{}"), .id = 20}, *state);
    metadata_list_append(&front_cut, (struct metadata_element){.text = STR("{}"), .id = 30},
                         *state);
    metadata_list_append(&first, (struct metadata_element){.text = STR("{}"), .id = 11}, *state);
    metadata_list_append(&first, (struct metadata_element){.text = STR("{}"), .id = 12}, *state);
    assert_true(list.count == 2 && first.count == 5 && second.count == 3 && front_cut.count == 2);
    assert_true(second.elements != list.elements && second.elements[2].id == 20);
    assert_true(front_cut.elements[0].id == 1 && front_cut.elements[1].id == 30);
    assert_true(list.elements[2].id == 10 && first.elements[2].id == 10);
    assert_true(first.elements[3].id == 11 && first.elements[4].id == 12);
    metadata_list_cut(&second, 1);
    struct metadata_element *array = second.elements;
    metadata_list_append(&second, (struct metadata_element){.text = STR("{}"), .id = 21}, *state);
    assert_true(second.elements == array && second.count == 2 && second.elements[1].id == 21);
}

static void test_refs_only(void **state)
{
    struct table_metadata m = parse_metadata(*state, read_base_text(*state, "v2"));
    struct buf out = BUF_INIT(METADATA_FILE_BYTES_MAX);
    table_metadata_write_refs_only(&m, &out);
    json_t *want = json_deep_copy(base_json(state, "v2"));
    json_array_remove(json_object_get(want, "snapshots"), 0);
    assert_true(json_equal(want, load(*state, "refs only", buf_str(&out))));
    json_decref(want);
    buf_free(&out);
}

/* --- the metadata log and file names ---------------------------------------------------------- */

static void test_log_append(void **state)
{
    json_t *json = base_json(state, "v2");
    json_object_set_new(json_object_get(json, "properties"), "write.metadata.previous-versions-max",
                        json_string("3"));
    struct table_metadata m = parse_metadata(*state, dump(*state, json));
    struct table_metadata older = m;
    for (int i = 0; i < 5; i++) {
        struct str file = arena_printf(*state, "s3://b/%d\"", i);
        table_metadata_log_append(&m, file, 1000 + i, *state);
        assert_int_equal(m.metadata_log.count, 3);
        assert_true(str_equal(m.metadata_log.elements[2].key, file));
        assert_true(m.metadata_log.elements[2].timestamp_ms == 1000 + i);
    }
    assert_true(str_equal_cstr(m.metadata_log.elements[0].text,
                               "{\"timestamp-ms\":1002,\"metadata-file\":\"s3://b/2\\\"\"}"));
    assert_int_equal(older.metadata_log.count, 2);
    assert_true(str_contains(older.metadata_log.elements[1].text, STR("00002-x")));
}

static void test_log_append_with_odd_limits(void **state)
{
    static const struct {
        const char *limit;
        size_t count;
    } cases[] = {{"0", 1}, {"-7", 1}, {"1", 1}, {"many", 3}, {"99999999999999", 3}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *json = base_json(state, "v2");
        json_object_set_new(json_object_get(json, "properties"),
                            "write.metadata.previous-versions-max", json_string(cases[i].limit));
        struct table_metadata m = parse_metadata(*state, dump(*state, json));
        table_metadata_log_append(&m, STR("f"), 1, *state);
        assert_int_equal(m.metadata_log.count, cases[i].count);
    }
}

static void test_log_dropped(void **state)
{
    json_t *json = base_json(state, "v2");
    json_object_set_new(json_object_get(json, "properties"), "write.metadata.previous-versions-max",
                        json_string("2"));
    struct table_metadata base = parse_metadata(*state, dump(*state, json)), next = base;
    struct str files[10];
    table_metadata_log_append(&next, STR("s3://b/1"), 1, *state);
    assert_int_equal(table_metadata_log_dropped(&base, &next, files, COUNT_OF(files)), 1);
    assert_true(str_equal(files[0], base.metadata_log.elements[0].key));
    base = next;
    table_metadata_log_append(&next, STR("s3://b/1"), 2, *state); /* reverted: it is in both */
    assert_int_equal(table_metadata_log_dropped(&base, &next, files, COUNT_OF(files)), 1);
    base = next;
    table_metadata_log_append(&next, STR("s3://b/1"), 3, *state);
    assert_int_equal(table_metadata_log_dropped(&base, &next, files, COUNT_OF(files)), 0);
    base = next;
    table_metadata_log_append(&next, STR("s3://b/2"), 4, *state);
    table_metadata_log_append(&next, STR("s3://b/3"), 4, *state);
    assert_int_equal(table_metadata_log_dropped(&base, &next, files, 0), 0);
}

static void test_file_location(void **state)
{
    static const struct {
        const char *previous, *path, *codec, *want;
    } cases[] = {
        {NULL, NULL, NULL, "s3://bucket/ns/t/metadata/00000-u.metadata.json"},
        {"s3://b/00000-x.metadata.json", NULL, NULL,
         "s3://bucket/ns/t/metadata/00001-u.metadata.json"},
        {"s3://b/00009-x.gz.metadata.json", NULL, "GZIP",
         "s3://bucket/ns/t/metadata/00010-u.gz.metadata.json"},
        {"s3://b/123456-x", NULL, "none", "s3://bucket/ns/t/metadata/123457-u.metadata.json"},
        {"s3://b-1/v3.metadata.json", NULL, NULL,
         "s3://bucket/ns/t/metadata/00000-u.metadata.json"},
        {"s3://b/-x.json", NULL, NULL, "s3://bucket/ns/t/metadata/00000-u.metadata.json"},
        {"s3://b/99999999999999999999-x", NULL, NULL,
         "s3://bucket/ns/t/metadata/00000-u.metadata.json"},
        {"s3://b/2147483647-x", NULL, NULL, "s3://bucket/ns/t/metadata/00000-u.metadata.json"},
        {"00004-x", "s3://meta/t//", NULL, "s3://meta/t/00005-u.metadata.json"},
        {NULL, NULL, "zstd", NULL},
        {NULL, NULL, "", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *json = base_json(state, "v2");
        json_t *properties = json_object_get(json, "properties");
        struct str out;
        struct error err;
        if (cases[i].path != NULL)
            json_object_set_new(properties, "write.metadata.path", json_string(cases[i].path));
        if (cases[i].codec != NULL)
            json_object_set_new(properties, "write.metadata.compression-codec",
                                json_string(cases[i].codec));
        struct table_metadata m = parse_metadata(*state, dump(*state, json));
        struct metadata_head head = table_metadata_head(&m);
        int result = metadata_file_location(&head, false, str_cstr(cases[i].previous), "u", *state,
                                            &out, &err);
        if (cases[i].want == NULL) {
            expect_error("codec", result, &err, ERR_ILLEGAL_ARGUMENT, "compression-codec");
            continue;
        }
        expect_success("location", result, &err);
        expect_text(out, cases[i].want);
    }
}

static void test_gzip_by_name(void **state)
{
    (void)state;
    assert_true(metadata_location_is_gzip(STR("s3://b/00001-u.gz.metadata.json")));
    assert_true(metadata_location_is_gzip(STR("s3://b/00001-u.metadata.json.gz")));
    assert_false(metadata_location_is_gzip(STR("s3://b/00001-u.metadata.json")));
    assert_false(metadata_location_is_gzip(STR("s3://b/gz")));
    assert_false(metadata_location_is_gzip(STR_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_round_trip),
        ARENA_TEST(test_head),
        ARENA_TEST(test_property_true),
        ARENA_TEST(test_unknown_members_survive),
        ARENA_TEST(test_members_of_other_versions_go),
        ARENA_TEST(test_keys_with_escapes),
        ARENA_TEST(test_publish_into_a_moving_buffer),
        ARENA_TEST(test_publish_under_a_ceiling),
        ARENA_TEST(test_publish_of_a_patchwork),
        ARENA_TEST(test_neighbours_without_a_comma),
        ARENA_TEST(test_copies_of_a_list_grow_apart),
        ARENA_TEST(test_refs_only),
        ARENA_TEST(test_log_append),
        ARENA_TEST(test_log_dropped),
        ARENA_TEST(test_log_append_with_odd_limits),
        ARENA_TEST(test_file_location),
        ARENA_TEST(test_gzip_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
