"""Flink with S3FileIO on the warehouses of the matrix, all in one JVM; see tests/engines/storage_matrix.py."""
import sys

from tests.engines.flink_shell import Program, Shell
from tests.engines.storage.report import read_all, report

CATALOG = "CREATE CATALOG {} WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = '{}', " \
          "'warehouse' = '{}', 'io-impl' = 'org.apache.iceberg.aws.s3.S3FileIO', " \
          "'header.X-Iceberg-Access-Delegation' = '{}', 'cache-enabled' = 'false')"


def drive(shell, catalog):
    table = f"{catalog}.lake.flink"
    shell.run(f"CREATE DATABASE IF NOT EXISTS {catalog}.lake",
              f"CREATE TABLE {table} (id BIGINT, name STRING)",
              f"INSERT INTO {table} VALUES (1, 'row 1')",
              f"INSERT INTO {table} VALUES (3, 'row 3'), (4, 'row 4')")
    return read(shell, catalog, "flink")


def read(shell, catalog, name):
    return sorted(row[0] for row in shell.run(f"SELECT id FROM {catalog}.lake.{name}"))


def main(what, uri, *warehouses):
    shell = Shell(Program(), "batch")
    try:
        for warehouse, access in (text.split(":") for text in warehouses):
            with report(warehouse) as out:
                catalog = warehouse.replace("-", "_")
                delegation = "remote-signing" if access == "sign" else "vended-credentials"
                shell.run(CATALOG.format(catalog, uri, warehouse, delegation))
                if what == "drive":
                    out.append({"flink": drive(shell, catalog)})
                else:
                    out.append(read_all(lambda name, catalog=catalog: read(shell, catalog, name), what))
    finally:
        shell.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
