#!/usr/bin/env python3
"""Kafka → Flink → a table → a second job of Flink, which follows it → another table; both jobs are killed.

    kafka.py [URI] [--only TEST]

The broker is one process of its own, with its data in a temporary directory."""
import concurrent.futures
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[0] = str(ROOT)

from tests.engines.flink_shell import (AT_ONCE, FlinkTest, Job, Program, WAIT_SECONDS,  # noqa: E402
                                       class_path, enter_environment, free_ports, java, source)

if __name__ == "__main__":
    enter_environment()

from tests.engines.engine import run  # noqa: E402
from tests.harness import environment  # noqa: E402

WORDS, CHUNK = 50, 500
BROKER = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={temp}/data
num.partitions=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Broker:
    def __init__(self):
        self.temp = tempfile.mkdtemp(prefix="firn-kafka-")
        self.port, controller = free_ports(2)
        self.settings = os.path.join(self.temp, "server.properties")
        Path(self.settings).write_text(BROKER.format(port=self.port, controller=controller, temp=self.temp))
        self.command = [java(), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                        "-cp", class_path("kafka")]
        self.process = None

    def start(self):
        with open(os.path.join(self.temp, "log"), "wb") as log:
            output = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": environment()}
            subprocess.run([*self.command, "kafka.tools.StorageTool", "format", "--config", self.settings,
                            "--cluster-id", uuid.uuid4().hex[:22]], check=True, **output)
            self.process = subprocess.Popen([*self.command, "kafka.Kafka", self.settings],
                                            start_new_session=True, **output)
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(Path(self.temp, "log").read_text()[-3000:])
                time.sleep(0.1)

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.temp, ignore_errors=True)


class Pipeline(FlinkTest):
    def topic(self):
        return ("CREATE TEMPORARY TABLE lines (id BIGINT, word STRING) WITH ('connector' = 'kafka', "
                f"'topic' = '{self.ns}', 'properties.bootstrap.servers' = '127.0.0.1:{BROKER_PROCESS.port}', "
                f"'properties.group.id' = '{self.ns}', 'scan.startup.mode' = 'earliest-offset', "
                "'format' = 'json')")

    def produce(self, enough):
        """Lines until there are enough: how many."""
        count = 0
        while not enough():
            self.shell.run(f"INSERT INTO lines SELECT id + {count}, "
                           f"CONCAT('w', CAST(MOD(id, {WORDS}) AS STRING)) FROM gen")
            count += CHUNK
        return count

    def kill_both(self, copy, counts):
        self.together((self.start_and_kill, copy, "copy", 2), (self.start_and_kill, counts, "counts", 1))

    def test_kafka_to_table_to_table(self):
        self.run_sql("CREATE TABLE $copy (id BIGINT, word STRING)",
                     "CREATE TABLE $counts (word STRING, n BIGINT, total BIGINT, PRIMARY KEY (word) NOT ENFORCED) "
                     "WITH ('format-version' = '2')",
                     self.topic(), source("gen", CHUNK, AT_ONCE),
                     "INSERT INTO lines VALUES (-1, 'first')")  # which makes the topic
        copy = Job(self, self.expand("INSERT INTO $copy SELECT id, word FROM lines"), self.topic())
        counts = Job(self, self.expand(
            "INSERT INTO $counts SELECT word, COUNT(*), SUM(id) FROM $copy /*+ OPTIONS('streaming' = 'true', "
            "'monitor-interval' = '500ms', 'starting-strategy' = 'INCREMENTAL_FROM_EARLIEST_SNAPSHOT') */ "
            "GROUP BY word"))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            killed = pool.submit(self.kill_both, copy, counts)
            count = self.produce(enough=killed.done)
            killed.result()
        self.wait_for(lambda: self.rows("SELECT COUNT(*) FROM $copy") >= [(count + 1,)], copy, "last lines")
        copy.kill()
        self.wait_for(lambda: self.rows("SELECT SUM(n) FROM $counts") == [(count + 1,)], counts, "last count")
        counts.kill()
        self.check_rows([(count + 1, count + 1, -1, count - 1)],
                        "SELECT COUNT(*), COUNT(DISTINCT id), MIN(id), MAX(id) FROM $copy")
        per_word = count // WORDS
        expected = [("first", 1, -1)] + [
            (f"w{w}", per_word, per_word * w + WORDS * per_word * (per_word - 1) // 2) for w in range(WORDS)]
        self.assertEqual(sorted(expected), sorted(self.rows("SELECT word, n, total FROM $counts")))
        for name in ("copy", "counts"):
            self.check_checkpoints(name)


def setUpModule():
    global BROKER_PROCESS
    BROKER_PROCESS = Broker()
    unittest.addModuleCleanup(BROKER_PROCESS.close)
    BROKER_PROCESS.start()
    program = Program()
    program.archive_classes()
    FlinkTest.start(program)
    unittest.addModuleCleanup(FlinkTest.shell.close)


BROKER_PROCESS = None

if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
