/* Slows down who guesses secrets (contract/reliability.md A07): failures are counted per client id
 * from one address, and per address whatever the client id. After some failures every further one
 * doubles the time until the next attempt is looked at. One who guesses from elsewhere cannot lock
 * the owner out. Bounded memory; what it forgets when full is only leniency.
 * Threads: safe. */
#ifndef SERVER_AUTH_LIMIT_H
#define SERVER_AUTH_LIMIT_H

#include "base/clock.h"
#include "base/str.h"

#define AUTH_LIMIT_CLIENT_FREE 5   /* failures without a wait, of one client id from one address */
#define AUTH_LIMIT_ADDRESS_FREE 50 /* of one address */
#define AUTH_LIMIT_WAIT_S_MAX 300
#define AUTH_LIMIT_FORGET_MS (15 * 60 * 1000ll) /* after the last failure */

struct auth_limit;

struct auth_limit *auth_limit_new(const struct clock *clock, uint64_t seed);
void auth_limit_free(struct auth_limit *limit); /* NULL is allowed */

/* Seconds until an attempt is looked at; 0: now. */
int auth_limit_wait_s(struct auth_limit *limit, struct str client_id, struct str address);

void auth_limit_failed(struct auth_limit *limit, struct str client_id, struct str address);
/* Forgets the client's failures; the address keeps its own. */
void auth_limit_passed(struct auth_limit *limit, struct str client_id, struct str address);

#endif
