/* Ids of multipart uploads, for backends that keep uploads themselves: when the upload began, a
 * uuid, and the digest of its location, so that an id of another location is known without a look,
 * and an old one by its name. Temporary files may be called so too.
 * Threads: no shared state. */
#ifndef STORAGE_UPLOAD_ID_H
#define STORAGE_UPLOAD_ID_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

#define UPLOAD_ID_BYTES 81 /* of [0-9a-f-] */

struct str upload_id_new(struct str location, struct arena *arena);
/* Has it the form of an id of this (canonical) location? Nothing else may become part of a path. */
bool upload_id_is_of(struct str id, struct str location, struct arena *arena);
/* -1: no name that begins with an id. */
int64_t upload_id_begun_ms(struct str name);

/* Names of parts: five digits. 0: no part's name. */
#define UPLOAD_PART_NAME "%05d"
#define UPLOAD_PART_NAME_BYTES 5
int upload_part_number(struct str name);

#endif
