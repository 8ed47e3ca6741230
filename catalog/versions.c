/* Compressing versions. The copy belongs to the version and dies with it. */
#include "catalog/versions.h"

#include "catalog/catalog_private.h"
#include "catalog/object_cache.h"

struct str catalog_version_pack(struct catalog *catalog, struct object_version *version)
{
    struct str packed = object_version_packed(version);
    if (packed.ptr != NULL)
        return packed;
    size_t bytes = object_version_pack(version);
    struct object_key key = {
        .warehouse_id = version->row.warehouse_id,
        .namespace_key = version->row.namespace_key,
        .name = version->row.name,
        .is_function = version->row.kind == OBJECT_FUNCTION,
    };
    if (bytes > 0)
        object_cache_charge(catalog->cache, &key, version, bytes);
    return object_version_packed(version);
}
