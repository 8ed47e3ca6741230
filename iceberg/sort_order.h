/* Sort orders (contract/rest.md 4.2 "Order validity", 4.4 add-sort-order).
 * Threads: immutable once parsed; arena-owned. */
#ifndef ICEBERG_SORT_ORDER_H
#define ICEBERG_SORT_ORDER_H

#include "iceberg/schema.h"

struct sort_field {
    struct str transform;
    int64_t source_id;
    bool descending;
    bool nulls_last;
};

struct sort_order {
    int64_t order_id;
    struct sort_field *fields;
    size_t field_count;
};

/* Errors: ERR_ILLEGAL_ARGUMENT; order-id 0 if and only if there are no fields. */
MUST_USE int sort_order_parse(const json_t *json, struct arena *arena, struct sort_order *out,
                              struct error *err);
/* As above for the order of a create request, where any id is replaced: an integer or absent. */
MUST_USE int sort_order_parse_unnumbered(const json_t *json, struct arena *arena,
                                         struct sort_order *out, struct error *err);
/* Sources and transforms against the schema, void as well. Errors: ERR_VALIDATION. */
MUST_USE int sort_order_check(const struct sort_order *order, const struct schema *schema,
                              struct arena *arena, struct error *err);
bool sort_order_same(const struct sort_order *a, const struct sort_order *b); /* ids ignored */
void sort_order_write(const struct sort_order *order, struct buf *out);

#endif
