/* One thread that does what nobody asked for at this moment: a table of jobs, each with its period.
 * Jobs run one after the other and are expected to be short. */
#ifndef SERVER_JANITOR_H
#define SERVER_JANITOR_H

#include "server/service.h"

struct janitor;

struct janitor *janitor_start(struct service *service);
void janitor_sweep_soon(void *janitor);     /* any thread, never blocks; the type fits a callback */
void janitor_stop(struct janitor *janitor); /* waits for the job that runs; NULL is allowed */

#endif
