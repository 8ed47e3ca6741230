/* The rows: tables, views, functions. */
#include "catalog/object_format.h"

#include <assert.h>

/* ---- tables ---------------------------------------------------------------------------------- */

static struct metadata_head table_head(const union object_metadata *metadata)
{
    return table_metadata_head(&metadata->table);
}

static int table_parse(struct str text, struct arena *arena, union object_metadata *out,
                       struct error *err)
{
    return table_metadata_parse(text, arena, &out->table, err);
}

static void table_publish(const union object_metadata *draft, struct arena *arena, struct buf *out,
                          union object_metadata *published)
{
    table_metadata_publish(&draft->table, arena, out, &published->table);
}

static int table_change_parse(struct str body, struct arena *arena, struct object_change *out,
                              struct error *err)
{
    if (table_commit_parse(body, arena, &out->commit.table, err) != 0)
        return -1;
    out->is_create = out->commit.table.is_create;
    out->is_repeatable = out->commit.table.adds_snapshot;
    return 0;
}

static int table_check(const struct object_change *change, const union object_metadata *base,
                       struct error *err)
{
    return table_commit_check(&change->commit.table, base == NULL ? NULL : &base->table, err);
}

static int table_apply(const struct object_change *change, const union object_metadata *base,
                       const struct commit_inputs *inputs, struct arena *arena,
                       union object_metadata *next, bool *changed, struct error *err)
{
    return table_commit_apply(&change->commit.table, base == NULL ? NULL : &base->table, inputs,
                              arena, &next->table, changed, err);
}

static void table_close(union object_metadata *draft, const union object_metadata *base,
                        struct str base_location, struct arena *arena)
{
    table_metadata_log_append(&draft->table, base_location, base->table.last_updated_ms, arena);
}

/* ---- views ----------------------------------------------------------------------------------- */

static struct metadata_head view_head(const union object_metadata *metadata)
{
    return view_metadata_head(&metadata->view);
}

static int view_parse(struct str text, struct arena *arena, union object_metadata *out,
                      struct error *err)
{
    return view_metadata_parse(text, arena, &out->view, err);
}

static void view_publish(const union object_metadata *draft, struct arena *arena, struct buf *out,
                         union object_metadata *published)
{
    view_metadata_publish(&draft->view, arena, out, &published->view);
}

static int view_change_parse(struct str body, struct arena *arena, struct object_change *out,
                             struct error *err)
{
    return view_commit_parse(body, arena, &out->commit.view, err);
}

static int view_check(const struct object_change *change, const union object_metadata *base,
                      struct error *err)
{
    assert(base != NULL); /* no commit creates a view */
    return view_commit_check(&change->commit.view, &base->view, err);
}

static int view_apply(const struct object_change *change, const union object_metadata *base,
                      const struct commit_inputs *inputs, struct arena *arena,
                      union object_metadata *next, bool *changed, struct error *err)
{
    assert(base != NULL);
    return view_commit_apply(&change->commit.view, &base->view, inputs, arena, &next->view, changed,
                             err);
}

/* A view does not say which file it replaced. */
static void view_close(union object_metadata *draft, const union object_metadata *base,
                       struct str base_location, struct arena *arena)
{
    (void)draft;
    (void)base;
    (void)base_location;
    (void)arena;
}

/* ---- functions ------------------------------------------------------------------------------- */

static struct metadata_head function_head(const union object_metadata *metadata)
{
    return function_metadata_head(&metadata->function);
}

static int function_parse(struct str text, struct arena *arena, union object_metadata *out,
                          struct error *err)
{
    return function_metadata_parse(text, arena, &out->function, err);
}

/* ---- the rows -------------------------------------------------------------------------------- */

static const struct object_format formats[] = {
    [OBJECT_TABLE] =
        {
            .kind = OBJECT_TABLE,
            .name = "Table",
            .missing = ERR_NO_SUCH_TABLE,
            .has_place = true,
            .location_overlap = "Table location overlaps another table's, or a path does",
            .head = table_head,
            .parse = table_parse,
            .publish = table_publish,
            .commit_parse = table_change_parse,
            .check = table_check,
            .apply = table_apply,
            .close = table_close,
        },
    [OBJECT_VIEW] =
        {
            .kind = OBJECT_VIEW,
            .name = "View",
            .missing = ERR_NO_SUCH_VIEW,
            .has_place = true,
            .location_overlap =
                "View location overlaps that of another view or table, or a path does",
            .gzip_is_usual = true,
            .head = view_head,
            .parse = view_parse,
            .publish = view_publish,
            .commit_parse = view_change_parse,
            .check = view_check,
            .apply = view_apply,
            .close = view_close,
        },
    [OBJECT_FUNCTION] =
        {
            .kind = OBJECT_FUNCTION,
            .name = "Function",
            .missing = ERR_NO_SUCH_FUNCTION,
            .head = function_head,
            .parse = function_parse,
        },
};

const struct object_format *object_format(enum object_kind kind)
{
    assert((size_t)kind < sizeof(formats) / sizeof(formats[0]) && formats[kind].name != NULL);
    return &formats[kind];
}

int object_change_parse(enum object_kind kind, struct str body, struct arena *arena,
                        struct object_change *out, struct error *err)
{
    out->format = object_format(kind);
    assert(out->format->commit_parse != NULL);
    out->is_create = out->is_repeatable = false;
    return out->format->commit_parse(body, arena, out, err);
}

/* ---- words ----------------------------------------------------------------------------------- */

int object_missing(const struct object_format *format, const struct identifier *ident,
                   struct error *err)
{
    struct arena *arena = arena_new();
    error_set(err, format->missing, "%s does not exist: %.*s", format->name,
              STR_ARG(identifier_display(ident, arena)));
    arena_free(arena);
    return -1;
}

int object_name_taken(const struct object_format *format, enum object_kind by,
                      const struct identifier *ident, struct error *err)
{
    struct arena *arena = arena_new();
    error_set(err, ERR_ALREADY_EXISTS,
              by == format->kind ? "%s already exists: %.*s"
                                 : "%s with same name already exists: %.*s",
              object_format(by)->name, STR_ARG(identifier_display(ident, arena)));
    arena_free(arena);
    return -1;
}

enum object_kind object_other_kind(enum object_kind kind)
{
    assert(kind == OBJECT_TABLE || kind == OBJECT_VIEW);
    return kind == OBJECT_TABLE ? OBJECT_VIEW : OBJECT_TABLE;
}
