/* XML over expat.
 *
 * 1. Nothing but elements and their text is believed: document types, comments, processing
 *    instructions and encodings other than UTF-8 end the reading, so that no two readers can see
 *    two texts in one document.
 * 2. An element holds either elements or text: white space between elements is dropped.
 * 3. At most XML_DEPTH_MAX elements are open and elements_max made; no more than
 *    XML_TEXT_BYTES_MAX bytes of text are held back.
 * 4. The first thing that is wrong is the one that is told; what comes after it is not looked at.
 */
#include "base/xml.h"

#include <assert.h>
#include <expat.h>
#include <limits.h>

#include "base/log.h"

#define NAMESPACE_SEPARATOR '|' /* no part of a name */

struct reader {
    XML_Parser expat;
    struct arena *arena;
    struct xml_element *root;
    struct xml_element *open[XML_DEPTH_MAX];
    struct xml_element *last_child[XML_DEPTH_MAX]; /* of the open ones */
    size_t depth;
    size_t elements, elements_max;
    struct buf text; /* of the innermost element */
    const char *why; /* the reading was ended */
};

static void stop(struct reader *reader, const char *why)
{
    if (reader->why == NULL)
        reader->why = why;
    XML_StopParser(reader->expat, XML_FALSE);
}

static bool is_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t\r\n", text.ptr[i]) == NULL || text.ptr[i] == '\0')
            return false;
    return true;
}

/* Of "namespace|name", or of "name". */
static struct str local_name(const char *name)
{
    const char *separator = strrchr(name, NAMESPACE_SEPARATOR);
    return str_cstr(separator == NULL ? name : separator + 1);
}

static void on_start(void *arg, const char *name, const char **attributes)
{
    struct reader *reader = arg;
    (void)attributes;
    if (reader->why != NULL)
        return;
    if (reader->depth == XML_DEPTH_MAX)
        return stop(reader, "is nested too deep");
    if (reader->elements == reader->elements_max)
        return stop(reader, "has too many elements");
    if (!is_blank(buf_str(&reader->text)))
        return stop(reader, "has text beside elements");
    buf_clear(&reader->text);
    struct xml_element *element = ARENA_NEW(reader->arena, struct xml_element);
    element->name = arena_str(reader->arena, local_name(name));
    element->text = STR("");
    if (reader->depth == 0) {
        reader->root = element;
    } else {
        struct xml_element **last = &reader->last_child[reader->depth - 1];
        *(*last == NULL ? &reader->open[reader->depth - 1]->children : &(*last)->next) = element;
        *last = element;
    }
    reader->elements++;
    reader->open[reader->depth] = element;
    reader->last_child[reader->depth] = NULL;
    reader->depth++;
}

static void on_end(void *arg, const char *name)
{
    struct reader *reader = arg;
    (void)name;
    if (reader->why != NULL)
        return;
    assert(reader->depth > 0);
    struct xml_element *element = reader->open[--reader->depth];
    if (element->children == NULL && reader->text.len > 0)
        element->text = arena_str(reader->arena, buf_str(&reader->text));
    buf_clear(&reader->text);
}

static void on_text(void *arg, const char *text, int len)
{
    struct reader *reader = arg;
    struct str piece = str_from(text, (size_t)len);
    if (reader->why != NULL)
        return;
    assert(reader->depth > 0);
    if (reader->open[reader->depth - 1]->children != NULL) {
        if (!is_blank(piece))
            stop(reader, "has text beside elements");
        return;
    }
    buf_add(&reader->text, piece);
    if (reader->text.overflowed)
        stop(reader, "has an element with too much text");
}

static void on_doctype(void *arg, const char *name, const char *system, const char *public,
                       int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    stop(arg, "has a document type");
}

static void on_comment(void *arg, const char *text)
{
    (void)text;
    stop(arg, "has a comment");
}

static void on_instruction(void *arg, const char *target, const char *data)
{
    (void)target, (void)data;
    stop(arg, "has a processing instruction");
}

static void on_declaration(void *arg, const char *version, const char *encoding, int standalone)
{
    (void)version, (void)standalone;
    if (encoding != NULL && !str_equal_ignore_case(str_cstr(encoding), STR("UTF-8")))
        stop(arg, "is not in UTF-8");
}

static int refuse(const struct reader *reader, struct error *err)
{
    enum XML_Error code = XML_GetErrorCode(reader->expat);
    if (code == XML_ERROR_NO_MEMORY)
        log_fatal("Out of memory");
    return error_set(err, ERR_BAD_REQUEST, "The XML document %s (line %lu)",
                     reader->why != NULL ? reader->why : "is malformed",
                     (unsigned long)XML_GetCurrentLineNumber(reader->expat));
}

int xml_parse(struct str text, size_t elements_max, struct arena *arena, struct xml_element **out,
              struct error *err)
{
    /* Expat takes "<" and a NUL for UTF-16, whatever it is told. */
    if (!str_is_utf8(text) || (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL))
        return error_set(err, ERR_BAD_REQUEST, "The XML document is not in UTF-8");
    if (text.len > INT_MAX)
        return error_set(err, ERR_BAD_REQUEST, "The XML document is too large");
    struct reader reader = {.expat = XML_ParserCreateNS("UTF-8", NAMESPACE_SEPARATOR),
                            .arena = arena,
                            .elements_max = elements_max,
                            .text = BUF_INIT(XML_TEXT_BYTES_MAX)};
    if (reader.expat == NULL)
        log_fatal("Out of memory");
    XML_SetUserData(reader.expat, &reader);
    XML_SetElementHandler(reader.expat, on_start, on_end);
    XML_SetCharacterDataHandler(reader.expat, on_text);
    XML_SetStartDoctypeDeclHandler(reader.expat, on_doctype);
    XML_SetCommentHandler(reader.expat, on_comment);
    XML_SetProcessingInstructionHandler(reader.expat, on_instruction);
    XML_SetXmlDeclHandler(reader.expat, on_declaration);
    bool good = XML_Parse(reader.expat, text.len == 0 ? "" : text.ptr, (int)text.len, XML_TRUE) ==
                    XML_STATUS_OK &&
                reader.why == NULL;
    int result = good ? 0 : refuse(&reader, err);
    assert(result != 0 || (reader.root != NULL && reader.depth == 0));
    *out = result == 0 ? reader.root : NULL;
    XML_ParserFree(reader.expat);
    buf_free(&reader.text);
    return result;
}

const struct xml_element *xml_child(const struct xml_element *element, const char *name)
{
    const struct xml_element *child = element->children;
    while (child != NULL && !str_equal_cstr(child->name, name))
        child = child->next;
    return child;
}

struct str xml_text(const struct xml_element *element, const char *name)
{
    const struct xml_element *child = xml_child(element, name);
    return child == NULL ? STR_NONE : child->text;
}

/* A character of that many bytes that XML 1.0 cannot hold, not even by number. */
static bool is_unwritable(struct str c)
{
    unsigned char first = (unsigned char)c.ptr[0];
    if (c.len == 1)
        return first < 0x20 && first != '\t' && first != '\n' && first != '\r';
    return c.len == 3 && (str_equal(c, STR("\xEF\xBF\xBE")) || str_equal(c, STR("\xEF\xBF\xBF")));
}

void xml_escape(struct buf *out, struct str text)
{
    static const char special[] = "&<>\"'\r";
    static const char *const spelt[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#13;"};
    for (size_t i = 0, len; i < text.len; i += len) {
        len = str_utf8_char(str_skip(text, i));
        if (len == 0 || is_unwritable(str_from(text.ptr + i, len))) {
            buf_add(out, STR("&#xFFFD;"));
            len = len == 0 ? 1 : len;
            continue;
        }
        const char *at = memchr(special, text.ptr[i], sizeof(special) - 1);
        if (at != NULL)
            buf_add_cstr(out, spelt[at - special]);
        else
            buf_add(out, str_from(text.ptr + i, len));
    }
}

void xml_write(struct buf *out, const char *name, struct str text)
{
    buf_add_char(out, '<');
    buf_add_cstr(out, name);
    buf_add_char(out, '>');
    xml_escape(out, text);
    buf_add_cstr(out, "</");
    buf_add_cstr(out, name);
    buf_add_char(out, '>');
}
