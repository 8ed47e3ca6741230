/* Authentication and authorization, from the row of the route and the caller's token.
 *
 * Always holds: what is not in the list of what everybody may is refused to those who are nobody,
 * and what is not in the list of what principals may is refused to those who are no admin. So a new
 * kind of access is closed until it is put into one of them. */
#include "server/access.h"

#include "server/auth.h"
#include <assert.h>

static bool is_public(const struct auth *auth, enum access needed)
{
    return needed == ACCESS_PUBLIC || needed == ACCESS_TOKEN ||
           (needed == ACCESS_METRICS && auth_options_of(auth)->anonymous_metrics);
}

static bool is_for_principals(enum access needed)
{
    switch (needed) {
    case ACCESS_CONFIG:
    case ACCESS_METRICS:
    case ACCESS_NAMESPACE_READ:
    case ACCESS_NAMESPACE_WRITE:
    case ACCESS_TABLE_READ:
    case ACCESS_TABLE_WRITE:
    case ACCESS_TABLE_DROP:
    case ACCESS_TABLE_REPORT:
    case ACCESS_VIEW_READ:
    case ACCESS_VIEW_WRITE:
    case ACCESS_VIEW_DROP:
    case ACCESS_FUNCTION_READ:
    case ACCESS_FUNCTION_WRITE:
        return true;
    case ACCESS_PUBLIC:
    case ACCESS_TOKEN:
    case ACCESS_WAREHOUSE_LIST:
    case ACCESS_WAREHOUSE_MANAGE:
    case ACCESS_WAREHOUSE_AUDIT:
    case ACCESS_PRINCIPAL_MANAGE:
        break;
    }
    return false;
}

int access_authenticate(struct request *req, struct error *err)
{
    struct auth *auth = req->service->auth;
    assert(req->route != NULL && auth != NULL);
    req->caller.principal = STR("anonymous");
    if (!auth_options_of(auth)->required || is_public(auth, req->route->access))
        return 0;
    struct str header = http_exchange_header(req->exchange, "Authorization");
    if (auth_bearer(auth, header, req->arena, &req->principal, &req->token_until_ms, err) != 0)
        return -1;
    req->caller.principal = req->principal->name;
    return 0;
}

static int forbid_anonymous_management(const struct auth *auth, enum access needed,
                                       struct error *err)
{
    if (needed != ACCESS_PRINCIPAL_MANAGE || auth_options_of(auth)->manages_principals)
        return 0;
    return error_set(err, ERR_FORBIDDEN,
                     "Principals are not managed over a network without authentication");
}

int access_authorize(const struct request *req, enum access needed, struct error *err)
{
    const struct auth *auth = req->service->auth;
    assert(req->caller.principal.len > 0); /* authentication came first */
    if (!auth_options_of(auth)->required)
        return forbid_anonymous_management(auth, needed, err);
    if (is_public(auth, needed))
        return 0;
    assert(req->principal != NULL);
    if (is_for_principals(needed) || req->principal->is_admin)
        return 0;
    return error_set(err, ERR_FORBIDDEN, "Principal %.*s may not do that: it is not an admin",
                     STR_ARG(req->principal->name));
}

bool access_may_commit(const struct request *req)
{
    struct error ignored;
    return access_authorize(req, ACCESS_TABLE_WRITE, &ignored) == 0;
}
