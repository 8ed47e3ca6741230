/* What a metastore backend implements: every slot, with the contract of the function of the same
 * name in metastore.h. Arguments were checked there. */
#ifndef METASTORE_BACKEND_H
#define METASTORE_BACKEND_H

#include "metastore/metastore.h"

struct metastore_backend {
    const char *name;
    void (*close)(struct metastore *store);
    void (*submit)(struct metastore *store, struct change_set *set);
    int (*warehouse_find)(struct metastore *store, struct str name, struct arena *arena,
                          struct warehouse_row *out, bool *found, struct error *err);
    int (*warehouse_list)(struct metastore *store, struct arena *arena, struct warehouse_row **out,
                          size_t *count, struct error *err);
    int (*namespace_find)(struct metastore *store, int64_t warehouse_id, struct str key,
                          struct arena *arena, struct namespace_row *out, bool *found,
                          struct error *err);
    int (*namespace_list)(struct metastore *store, int64_t warehouse_id, struct str parent_key,
                          const struct page_request *page, struct arena *arena,
                          struct name_list *out, struct error *err);
    int (*object_find)(struct metastore *store, const struct object_name *name, struct arena *arena,
                       struct object_row *out, bool *found, struct error *err);
    int (*object_find_at)(struct metastore *store, struct str location, struct arena *arena,
                          struct object_row *out, bool *found, struct error *err);
    int (*object_list)(struct metastore *store, const struct object_name *in_namespace,
                       const struct page_request *page, struct arena *arena, struct name_list *out,
                       struct error *err);
    int (*object_find_uuid)(struct metastore *store, struct str uuid, struct arena *arena,
                            struct object_row *out, bool *found, struct error *err);
    int (*location_taken)(struct metastore *store, struct str location,
                          const struct place_claim *claim, enum place_state *out,
                          struct error *err);
    int (*history_list)(struct metastore *store, const struct object_name *object,
                        int64_t before_sequence, size_t limit, struct arena *arena,
                        struct history_row **out, size_t *count, struct error *err);
    int (*history_find)(struct metastore *store, int64_t object_id, const struct sha256 *digest,
                        struct str principal, int64_t since_ms, struct arena *arena,
                        struct history_row *out, bool *found, struct error *err);
    int (*idempotency_find)(struct metastore *store, struct str key, int64_t now_ms,
                            struct arena *arena, struct idempotency_row *out, bool *found,
                            struct error *err);
    int (*job_list)(struct metastore *store, int64_t now_ms, size_t limit, struct arena *arena,
                    struct job_row **out, size_t *count, struct error *err);
    int (*report_list)(struct metastore *store, const struct object_name *object,
                       int64_t before_sequence, size_t limit, struct arena *arena,
                       struct report_row **out, size_t *count, struct error *err);
    int (*principal_list)(struct metastore *store, struct arena *arena, struct principal_row **out,
                          size_t *count, struct error *err);
    int (*signing_key_list)(struct metastore *store, struct arena *arena,
                            struct signing_key_row **out, size_t *count, struct error *err);
    int (*expire)(struct metastore *store, int64_t now_ms, struct error *err);
    int (*health)(struct metastore *store, bool *writable, struct error *err);
};

#endif
