"""PyIceberg on the warehouses of the matrix; see tests/engines/storage.py. One line of JSON each."""
import sys

import pyarrow as pa
from pyiceberg.catalog import load_catalog

from tests.engines.storage.report import read_all, report

FSSPEC = "pyiceberg.io.fsspec.FsspecFileIO"


def rows(*ids):
    return pa.table({"id": list(ids), "name": [f"row {i}" for i in ids]})


def catalog_of(uri, warehouse, access, io):
    properties = {"header.X-Iceberg-Access-Delegation":
                  "remote-signing" if access == "sign" else "vended-credentials"}
    if io == "fsspec":
        properties["py-io-impl"] = FSSPEC
    return load_catalog(warehouse, type="rest", uri=uri, warehouse=warehouse, **properties)


def drive(catalog, name):
    catalog.create_namespace_if_not_exists("lake")
    table = catalog.create_table(f"lake.{name}", schema=rows(1).schema)
    table.append(rows(1, 2))
    table.append(rows(3, 4))
    table.delete("id = 2")
    return sorted(catalog.load_table(f"lake.{name}").scan().to_arrow()["id"].to_pylist())


def read(catalog, name):
    return sorted(catalog.load_table(f"lake.{name}").scan().to_arrow()["id"].to_pylist())


def main(what, io, uri, *warehouses):
    """warehouses: NAME:ACCESS; what: drive, or read:TABLE,…"""
    for warehouse, access in (text.split(":") for text in warehouses):
        with report(warehouse) as out:
            catalog = catalog_of(uri, warehouse, access, io)
            if what == "drive":
                out.append({f"pyiceberg_{io}": drive(catalog, f"pyiceberg_{io}")})
            else:
                out.append(read_all(lambda name, catalog=catalog: read(catalog, name), what))


if __name__ == "__main__":
    main(*sys.argv[1:])
