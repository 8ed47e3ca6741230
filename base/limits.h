/* Every ceiling that is not an option, in one place, with its unit in the name. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define NAMESPACE_LEVELS_MAX 32
#define NAME_BYTES_MAX 1024      /* one namespace level or object name, decoded */
#define PROPERTIES_MAX 5000      /* per namespace or table */
#define PROPERTY_BYTES_MAX 65536 /* key or value */
#define SCHEMA_COLUMNS_MAX 20000
#define SCHEMA_DEPTH_MAX 60
#define SNAPSHOTS_MAX 1000000
#define METADATA_FILE_BYTES_MAX (1ull << 30)
#define VIEW_REPRESENTATIONS_MAX 100 /* of one version: one per dialect */
#define COMMIT_UPDATES_MAX 10000
#define COMMIT_REQUIREMENTS_MAX 1000
#define TRANSACTION_TABLES_MAX 256
#define FOLD_COMMITS_MAX 256  /* commits of one table in one metadata file */
#define GROUP_COMMIT_MAX 256  /* change sets in one metastore transaction */
#define COMMIT_ATTEMPTS_MAX 4 /* tries of a round whose compare-and-swap lost */
#define PAGE_SIZE_DEFAULT 1000
#define PAGE_SIZE_MAX 10000

#endif
