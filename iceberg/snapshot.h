/* What metadata and commits need to know of snapshots, refs, logs and statistics: read from the
 * JSON text, which stays the truth (contract/rest.md 4.4 add-snapshot, 4.8). Threads: no state. All
 * errors: ERR_ILLEGAL_ARGUMENT. */
#ifndef ICEBERG_SNAPSHOT_H
#define ICEBERG_SNAPSHOT_H

#include "iceberg/members.h"
#include "iceberg/table_metadata.h"

#define REF_MAIN "main"

struct snapshot {
    int64_t snapshot_id;
    int64_t sequence_number; /* 0 when absent */
    int64_t timestamp_ms;
    bool has_parent;
    bool has_manifest_list; /* else it lists its manifests itself, as v1 may */
    bool has_first_row_id;
    int64_t first_row_id;
    int64_t added_rows;
};

MUST_USE int snapshot_read(struct str object, struct snapshot *out, struct error *err);

/* A copy of the text without members that are null: older readers refuse those. The bytes are in
 * `arena`, whatever the text was. */
struct str snapshot_text(struct str object, struct arena *arena);

/* A ref of the document, or the members of set-snapshot-ref after its name. The name is the
 * caller's. `type` is compared ignoring case. Errors also: retention out of place. */
MUST_USE int snapshot_ref_read(struct str object, struct arena *arena, struct metadata_ref *out,
                               struct error *err);
bool snapshot_ref_equal(const struct metadata_ref *a, const struct metadata_ref *b);

/* One element of the list it names: keys read, known members checked, text kept. */
typedef int element_reader(struct str object, struct arena *arena, struct metadata_element *out,
                           struct error *err);
element_reader snapshot_element_read;
element_reader snapshot_log_element_read;
element_reader metadata_log_element_read;
element_reader statistics_element_read;
element_reader partition_statistics_element_read;
element_reader encryption_key_element_read;

/* The members of the snapshot log's and the metadata log's new entries. */
struct metadata_element snapshot_log_entry(int64_t snapshot_id, int64_t timestamp_ms,
                                           struct arena *arena);
struct metadata_element metadata_log_entry(struct str metadata_file, int64_t timestamp_ms,
                                           struct arena *arena);

#endif
