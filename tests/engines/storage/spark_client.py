"""Spark with S3FileIO on the warehouses of the matrix, all in one session; see tests/engines/storage.py."""
import os
import sys
import tempfile

from pyspark.sql import SparkSession

from tests.engines.java import java_home
from tests.engines.storage.report import read_all, report

S3 = "org.apache.iceberg.aws.s3.S3FileIO"


def session_of(uri, jars, warehouses, temp):
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = {
        "spark.ui.enabled": "false", "spark.driver.memory": "1g", "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1", "spark.local.dir": temp, "spark.jars": jars.replace(":", ","),
        "spark.sql.warehouse.dir": f"{temp}/spark-warehouse", "spark.sql.shuffle.partitions": "2",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={temp} -Djava.io.tmpdir={temp}",
        "spark.default.parallelism": "2", "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }
    for warehouse, access in warehouses:
        name = f"spark.sql.catalog.{catalog_of(warehouse)}"
        settings |= {
            name: "org.apache.iceberg.spark.SparkCatalog", f"{name}.type": "rest", f"{name}.uri": uri,
            f"{name}.warehouse": warehouse, f"{name}.io-impl": S3, f"{name}.cache-enabled": "false",
            f"{name}.header.X-Iceberg-Access-Delegation":
                "remote-signing" if access == "sign" else "vended-credentials",
        }
    builder = SparkSession.builder.master("local[2]").appName("firn")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def catalog_of(warehouse):
    return warehouse.replace("-", "_")


def drive(session, catalog):
    session.sql(f"CREATE NAMESPACE IF NOT EXISTS {catalog}.lake")
    table = f"{catalog}.lake.spark"
    session.sql(f"CREATE TABLE {table} (id BIGINT, name STRING) USING iceberg "
                "TBLPROPERTIES ('format-version' = '2', 'write.delete.mode' = 'merge-on-read')")
    session.sql(f"INSERT INTO {table} VALUES (1, 'row 1'), (2, 'row 2')")
    session.sql(f"INSERT INTO {table} VALUES (3, 'row 3'), (4, 'row 4')")
    session.sql(f"DELETE FROM {table} WHERE id = 2")
    return read(session, catalog, "spark")


def read(session, catalog, name):
    return [row[0] for row in session.sql(f"SELECT id FROM {catalog}.lake.{name} ORDER BY id").collect()]


def main(what, uri, jars, *warehouses):
    warehouses = [text.split(":") for text in warehouses]
    with tempfile.TemporaryDirectory(prefix="firn-spark-") as temp:
        session = session_of(uri, jars, warehouses, temp)
        for warehouse, _ in warehouses:
            with report(warehouse) as out:
                if what == "drive":
                    out.append({"spark": drive(session, catalog_of(warehouse))})
                else:
                    out.append(read_all(lambda name, catalog=catalog_of(warehouse): read(session, catalog, name), what))
        session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
