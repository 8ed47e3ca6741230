/* Keys for the gateway: issued per table prefix, for reading or also writing, for a time. They are
 * checked without a look-up: the session token carries the grant under a MAC, the secret is derived
 * from the token, and both from the installation's signing keys (contract/reliability.md 3.3 S13:
 * fields are length-prefixed, compared in constant time, verified before they are believed).
 *
 * Token: base64url of version, signing key id, grant, HMAC-SHA256. Access key id: "FIRN" and 16
 * characters of a digest of the token. Secret: base64url of HMAC-SHA256(signing key, "secret",
 * token). Threads: a struct gateway_keys is immutable after it was opened. */
#ifndef CATALOG_GATEWAY_KEY_H
#define CATALOG_GATEWAY_KEY_H

#include "catalog/catalog.h"
#include "storage/access.h"

#define GATEWAY_PREFIXES_MAX 8

struct gateway_grant {
    int64_t warehouse_id;
    /* Keys below the warehouse's bucket, each ending in '/', and everything below; "" is the whole
     * bucket. At least one. */
    struct str prefixes[GATEWAY_PREFIXES_MAX];
    size_t prefix_count;
    bool write;
    struct str principal;
    int64_t expires_ms;
};

struct gateway_keys;

/* Reads the installation's signing keys, making one when there is none. Blocks. */
MUST_USE int gateway_keys_open(struct catalog *catalog, struct gateway_keys **out,
                               struct error *err);
void gateway_keys_close(struct gateway_keys *keys);

void gateway_key_issue(const struct gateway_keys *keys, const struct gateway_grant *grant,
                       struct arena *arena, struct file_keys *out);

/* What the session token grants, and the secret its bearer must sign with. Whether he did is for
 * the caller to check. Errors: ERR_NOT_AUTHORIZED (forged, of another installation, another access
 * key id), ERR_FORBIDDEN (expired at now_ms). */
MUST_USE int gateway_key_open(const struct gateway_keys *keys, struct str access_key_id,
                              struct str session_token, int64_t now_ms, struct arena *arena,
                              struct gateway_grant *out, struct str *secret, struct error *err);

/* A grant of the kind an operator asks for. `prefix`: keys below the bucket, with or without the
 * bucket's s3://NAME/ before and a slash behind; empty: the whole bucket. Errors:
 * ERR_ILLEGAL_ARGUMENT (the warehouse is not served by the gateway; no such prefix can be). */
#define GATEWAY_KEY_LIFETIME_MS_MAX (30 * 24 * 3600 * 1000ll)
struct warehouse;
MUST_USE int gateway_grant_make(const struct warehouse *warehouse, struct str prefix, bool write,
                                struct str principal, int64_t expires_ms, struct arena *arena,
                                struct gateway_grant *out, struct error *err);

/* A text that only this installation can make of the parts, for handing something out and knowing
 * it again: 43 characters of base64url. */
struct str gateway_keys_mark(const struct gateway_keys *keys, const struct str *parts,
                             size_t part_count, struct arena *arena);

/* Is the key (of an object, or a prefix of a listing) below one of the grant's prefixes? By
 * bytes: prefixes end in '/'. */
bool gateway_grant_covers(const struct gateway_grant *grant, struct str key);

#endif
