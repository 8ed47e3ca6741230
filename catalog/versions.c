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
    struct object_key key = {version->row.warehouse_id, version->row.namespace_key,
                             version->row.name};
    if (bytes > 0)
        object_cache_charge(catalog->cache, &key, version, bytes);
    return object_version_packed(version);
}
