/* Types of parameters and results of functions: a type string, or a list, map or struct without
 * ids; and the canonical text that definition ids are made of (contract/rest.md 6).
 * Threads: no state. */
#ifndef ICEBERG_FUNCTION_TYPE_H
#define ICEBERG_FUNCTION_TYPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

/* Checks the JSON value (STR_NONE: it is missing) and appends its text: "int", "list<int>",
 * "map<string,int>", "struct<a:int,b:string>". Errors: ERR_ILLEGAL_ARGUMENT. */
MUST_USE int function_type_read(struct str json, struct arena *arena, struct buf *out,
                                struct error *err);

#endif
