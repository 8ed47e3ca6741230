/* Letting clients go to the store themselves: what they must know of it, short-lived keys for a
 * part of it, and signatures under requests of theirs (contract/reliability.md 3.2, 3.3;
 * contract/rest.md 13; contract/clients.md 1.13). No key leaves before the caller of these
 * functions has checked who asks and for which table; here only the scope given is enforced.
 * Threads: from any; vend and the first sign may block for the store or a key service. */
#ifndef STORAGE_ACCESS_H
#define STORAGE_ACCESS_H

#include "storage/file_io.h"

struct property {
    struct str name, value;
};

struct file_scope {
    /* Canonical locations below the root: each with everything below it. */
    const struct str *locations;
    size_t location_count;
    bool write; /* also create and remove; reading and listing always */
    /* Files that nobody may write or remove under this scope (the metadata files a table stands
     * on, reliability.md S09). Known to sign; vended keys cannot express them. */
    const struct str *guarded;
    size_t guarded_count;
    struct str session_name; /* of whom: for the store's own audit; any text */
    bool removes_only;       /* of what `write` allows, only to remove. Known to sign */
};

struct file_keys {
    struct str access_key_id, secret_access_key, session_token;
    int64_t expires_ms;
};

/* What a client needs to reach the files by itself, under the names that clients read: endpoint,
 * region, path style; with `keys` also those, in every dialect of the store. `keys` may be NULL.
 * Nothing secret but `keys`. */
MUST_USE int file_io_client_properties(struct file_io *io, const struct file_keys *keys,
                                       struct arena *arena, struct property **out, size_t *count,
                                       struct error *err);

bool file_io_can_vend(const struct file_io *io);
bool file_io_can_sign(const struct file_io *io);

/* Keys that reach the scope and nothing else, until *out.expires_ms (at most lifetime_ms away, or
 * as short as the store allows when that is longer). Errors: ERR_UNSUPPORTED (the store or its
 * settings have no way), ERR_ILLEGAL_ARGUMENT (a location that no policy can name),
 * ERR_UNAVAILABLE. */
MUST_USE int file_io_vend(struct file_io *io, const struct file_scope *scope, int64_t lifetime_ms,
                          struct arena *arena, struct file_keys *out, struct error *err);

struct sign_header {
    struct str name, value; /* one entry per value */
};
struct sign_request {
    struct str method, uri, region;
    const struct sign_header *headers;
    size_t header_count;
    struct str body; /* STR_NONE: none was given */
};
struct sign_reply {
    struct str uri;
    struct sign_header *headers; /* all that the client must send */
    size_t header_count;
    bool cacheable; /* GET and HEAD: by the client that asked, for a short time */
};

/* Signs if, and only if, the request is one of the operations that engines need and everything it
 * touches (key, listing prefix, copy source, keys in the body) is in the scope. Errors:
 * ERR_FORBIDDEN (operation, parameter, header, place), ERR_BAD_REQUEST (not a request of HTTP),
 * ERR_UNSUPPORTED, ERR_UNAVAILABLE. */
MUST_USE int file_io_sign(struct file_io *io, const struct file_scope *scope,
                          const struct sign_request *request, struct arena *arena,
                          struct sign_reply *out, struct error *err);

#endif
