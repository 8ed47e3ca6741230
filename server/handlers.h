/* The handlers of the route table, one per operation: read typed inputs, call one use case of the
 * catalog, build one reply. Where each runs is the business of its row in routes.c. */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H

#include "server/routes.h"

handler_fn handle_config; /* handle_config.c */

handler_fn handle_token; /* handle_oauth.c */

handler_fn handle_namespace_list; /* handle_namespaces.c */
handler_fn handle_namespace_create;
handler_fn handle_namespace_load;
handler_fn handle_namespace_exists;
handler_fn handle_namespace_drop;
handler_fn handle_namespace_update;

handler_fn handle_table_list; /* handle_tables.c */
handler_fn handle_table_create;
handler_fn handle_table_register;
handler_fn handle_table_load;
handler_fn handle_table_exists;
handler_fn handle_table_drop;
handler_fn handle_table_unregister;
handler_fn handle_table_rename;

handler_fn handle_credentials; /* handle_credentials.c */
handler_fn handle_key_create;

handler_fn handle_sign; /* handle_sign.c */
handler_fn handle_sign_by_location;

handler_fn handle_commit; /* handle_commit.c */
handler_fn handle_view_commit;
handler_fn handle_transaction;

handler_fn handle_view_list; /* handle_views.c */
handler_fn handle_view_create;
handler_fn handle_view_register;
handler_fn handle_view_load;
handler_fn handle_view_exists;
handler_fn handle_view_drop;
handler_fn handle_view_rename;

handler_fn handle_function_list; /* handle_functions.c */
handler_fn handle_function_load;
handler_fn handle_function_register;
handler_fn handle_function_drop;

handler_fn handle_report; /* handle_reports.c */
handler_fn handle_report_list;
handler_fn handle_history_list;

handler_fn handle_warehouse_list; /* handle_management.c */
handler_fn handle_warehouse_create;
handler_fn handle_warehouse_load;
handler_fn handle_warehouse_drop;

handler_fn handle_principal_list; /* handle_principals.c */
handler_fn handle_principal_create;
handler_fn handle_principal_rotate;
handler_fn handle_principal_drop;

handler_fn handle_health_live; /* handle_health.c */
handler_fn handle_health_ready;
handler_fn handle_metrics;

handler_fn handle_openapi_yaml; /* handle_openapi.c */
handler_fn handle_openapi_json;

#endif
