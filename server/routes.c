/* The route table. Rows of /v1/{prefix}/ are what GET /v1/config advertises: a row is there when
 * the operation works, and not before. */
#include "server/routes.h"

#include "server/handlers.h"

#define NS "/v1/{prefix}/namespaces"
#define ONE_NS NS "/{namespace}"
#define TABLES ONE_NS "/tables"
#define TABLE TABLES "/{table}"
#define VIEWS ONE_NS "/views"
#define VIEW VIEWS "/{view}"
#define FUNCTIONS ONE_NS "/functions"
#define WAREHOUSES "/management/v1/warehouses"
#define WAREHOUSE WAREHOUSES "/{warehouse}"

#define PRINCIPALS "/management/v1/principals"
#define PRINCIPAL PRINCIPALS "/{principal}"

#define INLINE ROUTE_RUN_INLINE
#define WORKER ROUTE_RUN_WORKER
#define CHANGE (ROUTE_RUN_WORKER | ROUTE_IDEMPOTENT)
#define COMMIT (ROUTE_RUN_INLINE | ROUTE_IDEMPOTENT) /* handed to the commit core, never waits */
#define VIEW_CHANGE (CHANGE | ROUTE_OF_VIEW)
#define VIEW_COMMIT (COMMIT | ROUTE_OF_VIEW)
#define CACHED (ROUTE_RUN_INLINE | ROUTE_ETAG | ROUTE_DELEGATES)
#define MAKES_TABLE (CHANGE | ROUTE_DELEGATES)
#define KEYS (ROUTE_RUN_WORKER | ROUTE_DELEGATES)

/* clang-format off */
const struct route routes[] = {
    {"GET",    "/v1/config",            "getConfig",             ACCESS_CONFIG,           BODY_NONE,   INLINE, handle_config},
    {"POST",   "/v1/oauth/tokens",      "getToken",              ACCESS_TOKEN,            BODY_SMALL,  INLINE | ROUTE_OAUTH, handle_token},
    {"POST",   "/v1/aws/s3/sign",       "signRequestByLocation", ACCESS_TABLE_READ,       BODY_REPORT, WORKER, handle_sign_by_location},

    {"GET",    NS,                      "listNamespaces",        ACCESS_NAMESPACE_READ,   BODY_NONE,   INLINE, handle_namespace_list},
    {"POST",   NS,                      "createNamespace",       ACCESS_NAMESPACE_WRITE,  BODY_SMALL,  CHANGE, handle_namespace_create},
    {"GET",    ONE_NS,                  "loadNamespaceMetadata", ACCESS_NAMESPACE_READ,   BODY_NONE,   INLINE, handle_namespace_load},
    {"HEAD",   ONE_NS,                  "namespaceExists",       ACCESS_NAMESPACE_READ,   BODY_NONE,   INLINE, handle_namespace_exists},
    {"DELETE", ONE_NS,                  "dropNamespace",         ACCESS_NAMESPACE_WRITE,  BODY_NONE,   CHANGE, handle_namespace_drop},
    {"POST",   ONE_NS "/properties",    "updateProperties",      ACCESS_NAMESPACE_WRITE,  BODY_SMALL,  CHANGE, handle_namespace_update},

    {"GET",    TABLES,                  "listTables",            ACCESS_NAMESPACE_READ,   BODY_NONE,   INLINE, handle_table_list},
    {"POST",   TABLES,                  "createTable",           ACCESS_NAMESPACE_WRITE,  BODY_LARGE,  MAKES_TABLE, handle_table_create},
    {"POST",   ONE_NS "/register",      "registerTable",         ACCESS_NAMESPACE_WRITE,  BODY_SMALL,  MAKES_TABLE, handle_table_register},
    {"GET",    TABLE,                   "loadTable",             ACCESS_TABLE_READ,       BODY_NONE,   CACHED, handle_table_load},
    {"HEAD",   TABLE,                   "tableExists",           ACCESS_TABLE_READ,       BODY_NONE,   INLINE, handle_table_exists},
    {"POST",   TABLE,                   "updateTable",           ACCESS_TABLE_WRITE,      BODY_LARGE,  COMMIT, handle_commit},
    {"DELETE", TABLE,                   "dropTable",             ACCESS_TABLE_DROP,       BODY_NONE,   CHANGE, handle_table_drop},
    {"POST",   TABLE "/unregister",     "unregisterTable",       ACCESS_TABLE_DROP,       BODY_NONE,   CHANGE, handle_table_unregister},
    {"GET",    TABLE "/credentials",    "loadCredentials",       ACCESS_TABLE_READ,       BODY_NONE,   KEYS, handle_credentials},
    {"POST",   TABLE "/sign",           "signRequest",           ACCESS_TABLE_READ,       BODY_REPORT, WORKER, handle_sign},
    {"POST",   TABLE "/metrics",        "reportMetrics",         ACCESS_TABLE_REPORT,     BODY_REPORT, WORKER, handle_report},
    {"POST",   "/v1/{prefix}/tables/rename",        "renameTable",       ACCESS_TABLE_DROP,  BODY_SMALL, CHANGE, handle_table_rename},
    {"POST",   "/v1/{prefix}/transactions/commit",  "commitTransaction", ACCESS_TABLE_WRITE, BODY_LARGE, COMMIT, handle_transaction},

    {"GET",    VIEWS,                   "listViews",             ACCESS_NAMESPACE_READ,   BODY_NONE,   INLINE, handle_view_list},
    {"POST",   VIEWS,                   "createView",            ACCESS_NAMESPACE_WRITE,  BODY_LARGE,  VIEW_CHANGE, handle_view_create},
    {"POST",   ONE_NS "/register-view", "registerView",          ACCESS_NAMESPACE_WRITE,  BODY_SMALL,  VIEW_CHANGE, handle_view_register},
    {"GET",    VIEW,                    "loadView",              ACCESS_VIEW_READ,        BODY_NONE,   INLINE, handle_view_load},
    {"HEAD",   VIEW,                    "viewExists",            ACCESS_VIEW_READ,        BODY_NONE,   INLINE, handle_view_exists},
    {"POST",   VIEW,                    "replaceView",           ACCESS_VIEW_WRITE,       BODY_LARGE,  VIEW_COMMIT, handle_view_commit},
    {"DELETE", VIEW,                    "dropView",              ACCESS_VIEW_DROP,        BODY_NONE,   VIEW_CHANGE, handle_view_drop},
    {"POST",   "/v1/{prefix}/views/rename",         "renameView",        ACCESS_VIEW_DROP,   BODY_SMALL, VIEW_CHANGE, handle_view_rename},

    {"GET",    FUNCTIONS,               "listFunctions",         ACCESS_NAMESPACE_READ,   BODY_NONE,   INLINE, handle_function_list},
    {"GET",    FUNCTIONS "/{function}", "loadFunction",          ACCESS_FUNCTION_READ,    BODY_NONE,   INLINE, handle_function_load},

    {"GET",    WAREHOUSES,              "listWarehouses",        ACCESS_WAREHOUSE_LIST,   BODY_NONE,   INLINE, handle_warehouse_list},
    {"POST",   WAREHOUSES,              "createWarehouse",       ACCESS_WAREHOUSE_MANAGE, BODY_SMALL,  WORKER, handle_warehouse_create},
    {"GET",    WAREHOUSE,               "loadWarehouse",         ACCESS_WAREHOUSE_LIST,   BODY_NONE,   INLINE, handle_warehouse_load},
    {"DELETE", WAREHOUSE,               "dropWarehouse",         ACCESS_WAREHOUSE_MANAGE, BODY_NONE,   WORKER, handle_warehouse_drop},
    {"POST",   WAREHOUSE "/keys",       "createGatewayKey",      ACCESS_WAREHOUSE_MANAGE, BODY_SMALL,  INLINE, handle_key_create},
    {"GET",    WAREHOUSE "/metrics-reports", "listMetricsReports", ACCESS_WAREHOUSE_AUDIT, BODY_NONE,   WORKER, handle_report_list},
    {"GET",    WAREHOUSE "/history",    "listHistory",           ACCESS_WAREHOUSE_AUDIT,  BODY_NONE,   WORKER, handle_history_list},
    {"POST",   WAREHOUSE "/functions",  "registerFunction",      ACCESS_FUNCTION_WRITE,   BODY_LARGE,  WORKER, handle_function_register},
    {"DELETE", WAREHOUSE "/functions",  "dropFunction",          ACCESS_FUNCTION_WRITE,   BODY_NONE,   WORKER, handle_function_drop},

    {"GET",    PRINCIPALS,              "listPrincipals",        ACCESS_PRINCIPAL_MANAGE, BODY_NONE,   INLINE, handle_principal_list},
    {"POST",   PRINCIPALS,              "createPrincipal",       ACCESS_PRINCIPAL_MANAGE, BODY_SMALL,  WORKER, handle_principal_create},
    {"DELETE", PRINCIPAL,               "dropPrincipal",         ACCESS_PRINCIPAL_MANAGE, BODY_NONE,   WORKER, handle_principal_drop},
    {"POST",   PRINCIPAL "/rotate",     "rotatePrincipal",       ACCESS_PRINCIPAL_MANAGE, BODY_NONE,   WORKER, handle_principal_rotate},

    {"GET",    "/health/live",          "healthLive",            ACCESS_PUBLIC,           BODY_NONE,   INLINE, handle_health_live},
    {"GET",    "/health/ready",         "healthReady",           ACCESS_PUBLIC,           BODY_NONE,   INLINE, handle_health_ready},
    {"GET",    "/metrics",              "metrics",               ACCESS_METRICS,          BODY_NONE,   INLINE, handle_metrics},
    {"GET",    "/openapi.yaml",         "openapiYaml",           ACCESS_CONFIG,           BODY_NONE,   INLINE, handle_openapi_yaml},
    {"GET",    "/openapi.json",         "openapiJson",           ACCESS_CONFIG,           BODY_NONE,   INLINE, handle_openapi_json},
};
/* clang-format on */

const size_t route_count = sizeof(routes) / sizeof(routes[0]);

_Static_assert(sizeof(routes) / sizeof(routes[0]) <= ROUTES_MAX, "raise ROUTES_MAX");
