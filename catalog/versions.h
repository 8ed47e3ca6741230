/* Compressed copies of the replies that versions carry: made once, kept as long as the version, and
 * counted in the cache's budget. */
#ifndef CATALOG_VERSIONS_H
#define CATALOG_VERSIONS_H

#include "catalog/catalog.h"
#include "catalog/object_version.h"

/* The compressed reply of the version, made when it is not there yet. STR_NONE: it does not shrink.
 * Takes about a millisecond per 100 KiB. Any thread; who comes second gets the first one's. */
struct str catalog_version_pack(struct catalog *catalog, struct object_version *version);

#endif
