/* What happened, for people: metrics reports of engines (contract/rest.md 11) and the history of
 * mutations, both newest first and paged by sequence. */
#ifndef CATALOG_REPORTS_H
#define CATALOG_REPORTS_H

#include "catalog/warehouse.h"

/* Accepts a report for a table that exists; `body` is kept as it came (a JSON object with
 * "report-type"). Durable when it returns. Errors: ERR_BAD_REQUEST (not JSON),
 * ERR_ILLEGAL_ARGUMENT, ERR_NO_SUCH_TABLE. */
MUST_USE int catalog_report_add(struct catalog *catalog, struct warehouse *warehouse,
                                const struct identifier *ident, struct str body, struct error *err);
MUST_USE int catalog_report_list(struct catalog *catalog, struct warehouse *warehouse,
                                 const struct identifier *ident, int64_t before_sequence,
                                 size_t limit, struct arena *arena, struct report_row **out,
                                 size_t *count, struct error *err);
/* ident NULL: the whole warehouse. */
MUST_USE int catalog_history_list(struct catalog *catalog, struct warehouse *warehouse,
                                  const struct identifier *ident, int64_t before_sequence,
                                  size_t limit, struct arena *arena, struct history_row **out,
                                  size_t *count, struct error *err);

#endif
