"""DuckDB on the warehouses of the matrix; see tests/engines/storage.py."""
import sys

from tests.engines.duckdb import load_extensions
from tests.engines.storage.report import read_all, report


def drive(connection, name):
    connection.execute("CREATE SCHEMA IF NOT EXISTS c.lake")
    connection.execute(f"CREATE TABLE c.lake.{name} (id BIGINT, name VARCHAR)")
    connection.execute(f"INSERT INTO c.lake.{name} VALUES (1, 'row 1'), (2, 'row 2')")
    connection.execute(f"INSERT INTO c.lake.{name} VALUES (3, 'row 3'), (4, 'row 4')")
    connection.execute(f"DELETE FROM c.lake.{name} WHERE id = 2")
    return read(connection, name)


def read(connection, name):
    return [row[0] for row in connection.execute(f"SELECT id FROM c.lake.{name} ORDER BY id").fetchall()]


def main(what, uri, *warehouses):
    for warehouse, _ in (text.split(":") for text in warehouses):
        with report(warehouse) as out:
            connection = load_extensions()
            connection.execute(f"ATTACH '{warehouse}' AS c (TYPE iceberg, ENDPOINT '{uri}', "
                               "AUTHORIZATION_TYPE 'none')")
            if what == "drive":
                out.append({"duckdb": drive(connection, "duckdb")})
            else:
                out.append(read_all(lambda name, connection=connection: read(connection, name), what))
            connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
