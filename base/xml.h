/* The XML of the S3 protocol: read with expat, bounded in depth and size, without document types,
 * entities beyond the five predefined ones, comments and processing instructions; written with
 * escaping. Namespaces and attributes are ignored.
 * Threads: no shared state. */
#ifndef BASE_XML_H
#define BASE_XML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define XML_DEPTH_MAX 16
#define XML_TEXT_BYTES_MAX 8192 /* of one element */

struct xml_element {
    struct str name; /* without prefix */
    struct str text; /* of an element without children, joined; empty in others */
    struct xml_element *children, *next;
};

/* The whole document as a tree in the arena. Errors: ERR_BAD_REQUEST (malformed, a document type,
 * comment or instruction, too deep, more than elements_max elements, an element with text beside
 * elements or with too much text, not UTF-8). */
MUST_USE int xml_parse(struct str text, size_t elements_max, struct arena *arena,
                       struct xml_element **out, struct error *err);

/* The first child of that name, or NULL; the text of it, or STR_NONE. */
const struct xml_element *xml_child(const struct xml_element *element, const char *name);
struct str xml_text(const struct xml_element *element, const char *name);

/* <name>escaped</name>; characters that XML 1.0 cannot hold, and bytes that are no
 * UTF-8, become &#xFFFD;. The name is written as it is. */
void xml_write(struct buf *out, const char *name, struct str text);
void xml_escape(struct buf *out, struct str text);

#endif
