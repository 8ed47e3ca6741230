#!/usr/bin/env python3
"""Changes of a MariaDB, captured by Flink CDC, into a table that they are upserted into; the job is killed.

    cdc.py [URI] [--only TEST]

The database is one process of its own, with its data in a temporary directory. The Flink is 1.20, which
is what Flink CDC is built for."""
import getpass
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.engines.flink_shell import (FlinkTest, Job, Program, WAIT_SECONDS,  # noqa: E402
                                       enter_environment, free_ports)

if __name__ == "__main__":
    enter_environment()

from tests.engines.engine import run  # noqa: E402
from tests.harness import environment  # noqa: E402

PROGRAMS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # where Debian has mariadbd


class MariaDB:
    """With a log of whole rows, which is what is captured."""

    def __init__(self):
        self.temp = tempfile.mkdtemp(prefix="firn-mariadb-")
        self.socket = os.path.join(self.temp, "socket")
        [self.port] = free_ports(1)
        self.process = self.client = None

    def program(self, name):
        found = shutil.which(name, path=PROGRAMS)
        if found is None:
            raise RuntimeError(f"there is no {name}: tools/prepare engines")
        return found

    def start(self):
        options = ["--no-defaults", f"--datadir={self.temp}/data", f"--user={getpass.getuser()}"]
        with open(os.path.join(self.temp, "log"), "wb") as log:
            output = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": environment()}
            subprocess.run([self.program("mariadb-install-db"), *options, "--skip-test-db",
                            "--auth-root-authentication-method=normal"], check=True, **output)
            self.process = subprocess.Popen(
                [self.program("mariadbd"), *options, f"--socket={self.socket}", f"--port={self.port}",
                 "--bind-address=127.0.0.1", "--skip-name-resolve", "--server-id=1", "--log-bin=changes",
                 "--binlog-format=ROW", "--binlog-row-image=FULL", "--innodb-buffer-pool-size=32M"],
                start_new_session=True, **output)
        deadline = time.monotonic() + WAIT_SECONDS
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(Path(self.temp, "log").read_text()[-3000:])
            time.sleep(0.05)
        self.run("CREATE USER flink@'127.0.0.1' IDENTIFIED BY 'flink'",
                 "GRANT ALL ON *.* TO flink@'127.0.0.1'")

    def run(self, *statements):
        subprocess.run([self.program("mariadb"), "--no-defaults", f"--socket={self.socket}", "--user=root"],
                       input=";\n".join([*statements, ""]).encode(), check=True, env=environment())

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.temp, ignore_errors=True)


class Model:
    """What the table of the database holds, and random changes of it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rows = {}
        self.next_key = 1

    def insert(self):
        key, self.next_key = self.next_key, self.next_key + 1
        self.rows[key] = (f"name {key}", self.random.randrange(1000))
        return f"INSERT INTO people VALUES ({key}, '{self.rows[key][0]}', {self.rows[key][1]})"

    def update(self):
        key = self.random.choice(list(self.rows))
        self.rows[key] = (self.rows[key][0], self.rows[key][1] + 1)
        return f"UPDATE people SET n = n + 1 WHERE id = {key}"

    def change_key(self):
        key, new = self.random.choice(list(self.rows)), self.next_key
        self.next_key += 1
        self.rows[new] = self.rows.pop(key)
        return f"UPDATE people SET id = {new} WHERE id = {key}"

    def delete(self):
        key = self.random.choice(list(self.rows))
        del self.rows[key]
        return f"DELETE FROM people WHERE id = {key}"

    def transaction(self):
        before, next_key = dict(self.rows), self.next_key
        kinds = [self.insert, self.insert, self.update, self.update, self.change_key, self.delete]
        statements = [self.random.choice(kinds)() for _ in range(self.random.randrange(1, 6))]
        if self.random.random() < 0.1:
            self.rows, self.next_key = before, next_key
            return ["BEGIN", *statements, "ROLLBACK"]
        return ["BEGIN", *statements, "COMMIT"]

    def changes(self, transactions):
        return [statement for _ in range(transactions) for statement in self.transaction()]

    def sorted_rows(self):
        return sorted((key, *values) for key, values in self.rows.items())


class Capture(FlinkTest):
    def test_upsert(self):
        seed = random.randrange(1 << 32)
        print(f"seed {seed} ...", end=" ", flush=True)
        model = Model(seed)
        columns = "(id BIGINT, name {}, n INT, PRIMARY KEY (id){})"
        DATABASE.run("CREATE DATABASE shop", "USE shop", "CREATE TABLE people " + columns.format("TEXT", ""),
                     *(model.insert() for _ in range(500)))
        self.run_sql("CREATE TABLE $people " + columns.format("STRING", " NOT ENFORCED")
                     + " WITH ('format-version' = '2', 'write.upsert.enabled' = 'true')")
        job = Job(self, self.expand("INSERT INTO $people SELECT * FROM changes"),
                  "CREATE TEMPORARY TABLE changes " + columns.format("STRING", " NOT ENFORCED")
                  + f" WITH ('connector' = 'mysql-cdc', 'hostname' = '127.0.0.1', 'port' = '{DATABASE.port}', "
                    "'username' = 'flink', 'password' = 'flink', 'database-name' = 'shop', "
                    "'table-name' = 'people', 'server-time-zone' = 'UTC', 'server-id' = '5400')").start()
        self.wait_for_commit(job, "people")
        for _ in range(2):
            before = self.count_commits("people")
            DATABASE.run("USE shop", *model.changes(400))
            self.wait_for(lambda: self.count_commits("people") > before, job, "commit")
            DATABASE.run("USE shop", *model.changes(200))
            time.sleep(random.uniform(0, 2.2))
            job.kill()
            DATABASE.run("USE shop", *model.changes(200))
            job.start()
        DATABASE.run("USE shop", *model.changes(400))
        expected = model.sorted_rows()
        self.wait_for(lambda: sorted(self.rows("SELECT * FROM $people")) == expected, job, "last change")
        job.kill()
        self.check_checkpoints("people")
        self.assertTrue(any("added-equality-delete-files" in s["summary"] for s in self.snapshots("people")))


def setUpModule():
    global DATABASE
    DATABASE = MariaDB()
    unittest.addModuleCleanup(DATABASE.close)
    DATABASE.start()
    FlinkTest.start(Program("cdc"))
    unittest.addModuleCleanup(FlinkTest.shell.close)


DATABASE = None

if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
