/* The XML of the S3 protocol: read with expat, without document types or entities beyond the five
 * predefined ones, bounded in depth and size; written with escaping. Namespaces are ignored.
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
    struct str text; /* of its own, joined; of elements without children: their content */
    struct xml_element *children, *next;
};

/* The whole document as a tree in the arena. Errors: ERR_BAD_REQUEST (malformed, a document type,
 * too deep, more than elements_max elements, not UTF-8). */
MUST_USE int xml_parse(struct str text, size_t elements_max, struct arena *arena,
                       struct xml_element **out, struct error *err);

/* The first child of that name, or NULL; the text of it, or STR_NONE. */
const struct xml_element *xml_child(const struct xml_element *element, const char *name);
struct str xml_text(const struct xml_element *element, const char *name);

/* <name>escaped</name>; characters that XML 1.0 cannot hold become &#xFFFD;. */
void xml_write(struct buf *out, const char *name, struct str text);
void xml_escape(struct buf *out, struct str text);

#endif
