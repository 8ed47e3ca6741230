/* Tests of base/xml: what it reads, what it refuses, and that what it writes is read back. */
#include "tests/unit/unit.h"

#include "base/xml.h"

static struct arena *arena;

static struct xml_element *read_all(struct str text)
{
    struct xml_element *root;
    struct error err = {0};
    if (xml_parse(text, 100, arena, &root, &err) != 0)
        fail_msg("%.*s: %s", STR_ARG(text), err.message);
    return root;
}

static void check_refused(struct str text, const char *why)
{
    struct xml_element *root;
    struct error err = {0};
    if (xml_parse(text, 100, arena, &root, &err) == 0)
        fail_msg("accepted %.*s", STR_ARG(text));
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    assert_null(root);
    if (strstr(err.message, why) == NULL)
        fail_msg("%.*s: \"%s\" does not say \"%s\"", STR_ARG(text), err.message, why);
}

static void a_tree(void **state)
{
    (void)state;
    const struct xml_element *root = read_all(
        STR("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
            "<s3:Delete xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\" a='1'>\n"
            "  <Quiet>true</Quiet>\r\n"
            "  <s3:Object><Key> a&amp;&lt;&gt;&quot;&apos;&#x20AC;&#10;</Key></s3:Object>\n"
            "  <Object><Key><![CDATA[a<&]]>b</Key><Size/></Object>\n</s3:Delete>\n"));
    assert_str(root->name, "Delete");
    assert_str(root->text, "");
    assert_null(root->next);
    assert_str(xml_text(root, "Quiet"), "true");
    const struct xml_element *object = xml_child(root, "Object");
    assert_str(xml_text(object, "Key"), " a&<>\"'\xE2\x82\xAC\n");
    assert_null(xml_text(object, "Size").ptr);
    object = object->next;
    assert_str(xml_text(object, "Key"), "a<&b");
    assert_non_null(xml_text(object, "Size").ptr);
    assert_int_equal(xml_text(object, "Size").len, 0);
    assert_null(object->next);
    assert_null(xml_child(root, "Key"));
    assert_str(read_all(STR("\xEF\xBB\xBF<a>\xF0\x9F\x98\x80</a>"))->text, "\xF0\x9F\x98\x80");
}

static void refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "malformed"},
        {"   ", "malformed"},
        {"text", "malformed"},
        {"<a>", "malformed"},
        {"<a></b>", "malformed"},
        {"<a/><b/>", "malformed"},
        {"<a/>x", "malformed"},
        {"<a b='1' b='2'/>", "malformed"},
        {"<a>&b;</a>", "malformed"},
        {"<a>&#0;</a>", "malformed"},
        {"<a>&#x1;</a>", "malformed"},
        {"<a>\x01</a>", "malformed"},
        {"<a>&amp</a>", "malformed"},
        {"<a>]]></a>", "malformed"},
        {"<!DOCTYPE a><a/>", "document type"},
        {"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document type"},
        {"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"},
        {"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "document type"},
        {"<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://localhost/'> %b;]><a/>", "document type"},
        {"<!DOCTYPE l [<!ENTITY a 'x'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]>"
         "<l>&c;</l>",
         "document type"},
        {"<!-- c --><a/>", "comment"},
        {"<a>x<!-- c -->y</a>", "comment"},
        {"<?x y?><a/>", "processing instruction"},
        {"<a><?x?></a>", "processing instruction"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "not in UTF-8"},
        {"<?xml version='1.0' encoding='UTF-7'?><a/>", "not in UTF-8"},
        {"<?xml version='1.0' encoding='UTF-16'?><a/>", "not in UTF-8"},
        {"<a>\xC3</a>", "not in UTF-8"},
        {"<a>\xFF\xFE</a>", "not in UTF-8"},
        {"<a>\xED\xA0\x80</a>", "not in UTF-8"},
        {"<a>\xC0\xBC</a>", "not in UTF-8"},
        {"<b:a/>", "malformed"},
        {"<a:/>", "malformed"},
        {"<:a/>", "malformed"},
        {"<b:a:c xmlns:b='x'/>", "malformed"},
        {"<b:1 xmlns:b='x'/>", "malformed"},
        {"<a>x<b/></a>", "text beside elements"},
        {"<a><b/>x</a>", "text beside elements"},
        {"<a><b/><![CDATA[x]]></a>", "text beside elements"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_refused(str_cstr(rows[i][0]), rows[i][1]);
    check_refused(STR("<a>\0</a>"), "not in UTF-8");
    check_refused(STR("<\0a\0/\0>\0"), "not in UTF-8");
    check_refused(STR("\0<\0a\0/\0>"), "not in UTF-8");
}

static struct str nested(size_t depth)
{
    struct buf out = BUF_INIT(1 << 20);
    for (size_t i = 0; i < depth; i++)
        buf_add(&out, STR("<a>"));
    for (size_t i = 0; i < depth; i++)
        buf_add(&out, STR("</a>"));
    struct str text = arena_str(arena, buf_str(&out));
    buf_free(&out);
    return text;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    read_all(nested(XML_DEPTH_MAX));
    check_refused(nested(XML_DEPTH_MAX + 1), "nested too deep");
    check_refused(nested(100000), "nested too deep");
}

/* An element with `count` empty children, with white space between them. */
static struct str list_of(size_t count)
{
    struct buf out = BUF_INIT(1 << 20);
    buf_add(&out, STR("<a>\n"));
    for (size_t i = 0; i < count; i++)
        buf_add(&out, STR("    <b/>\r\n"));
    buf_add(&out, STR("</a>"));
    struct str text = arena_str(arena, buf_str(&out));
    buf_free(&out);
    return text;
}

static void elements_are_bounded(void **state)
{
    (void)state;
    read_all(list_of(99));
    check_refused(list_of(100), "too many elements");
    struct xml_element *root;
    struct error err = {0};
    assert_int_equal(xml_parse(list_of(10000), 10001, arena, &root, &err), 0);
    assert_int_equal(root->text.len, 0);
    assert_int_equal(xml_parse(list_of(0), 0, arena, &root, &err), -1);
}

static struct str with_text(size_t bytes)
{
    char *text = arena_alloc(arena, bytes + 1);
    memset(text, 'x', bytes);
    return arena_printf(arena, "<a><b>%.*s</b></a>", (int)bytes, text);
}

static void text_is_bounded(void **state)
{
    (void)state;
    const struct xml_element *root = read_all(with_text(XML_TEXT_BYTES_MAX));
    assert_int_equal(xml_text(root, "b").len, XML_TEXT_BYTES_MAX);
    check_refused(with_text(XML_TEXT_BYTES_MAX + 1), "too much text");
    check_refused(with_text(1 << 20), "too much text");
}

static void written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 16);
    xml_write(&out, "Key", STR("a<b>&\"'\r\n\t\x01\x7F\xC3\xBC\xF0\x9F\x98\x80"));
    assert_str(buf_str(&out), "<Key>a&lt;b&gt;&amp;&quot;&#39;&#13;\n\t&#xFFFD;\x7F\xC3\xBC"
                              "\xF0\x9F\x98\x80</Key>");
    buf_clear(&out);
    xml_escape(&out, STR("\0\xFF\xC3(\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xBF\xBD\xED\xA0\x80"));
    assert_str(buf_str(&out),
               "&#xFFFD;&#xFFFD;&#xFFFD;(&#xFFFD;&#xFFFD;\xEF\xBF\xBD&#xFFFD;&#xFFFD;&#xFFFD;");
    buf_clear(&out);
    xml_write(&out, "E", STR_NONE);
    assert_str(buf_str(&out), "<E></E>");
    buf_free(&out);
}

/* Every character that is one of XML comes back as it was. */
static void written_and_read(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 16);
    char all[127];
    size_t len = 0;
    for (int c = 1; c < 128; c++)
        if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r')
            all[len++] = (char)c;
    xml_write(&out, "a", str_from(all, len));
    struct str back = read_all(buf_str(&out))->text;
    assert_int_equal(back.len, len);
    assert_memory_equal(back.ptr, all, len);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree),           cmocka_unit_test(refused),
        cmocka_unit_test(depth_is_bounded), cmocka_unit_test(elements_are_bounded),
        cmocka_unit_test(text_is_bounded),  cmocka_unit_test(written),
        cmocka_unit_test(written_and_read),
    };
    arena = arena_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return failed;
}
