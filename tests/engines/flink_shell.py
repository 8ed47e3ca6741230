"""Flink for the tests: a JVM that is told SQL through a pipe (flink/Shell.java), and jobs that are
killed and restored from their newest checkpoint."""
import concurrent.futures
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.engines.engine import EngineTest, address
from tests.engines.java import java_home, maven, missing_tools
from tests.harness import ROOT, environment, quote

ENGINES = Path(__file__).resolve().parent
# What Flink's own config.yaml opens for Java 17.
OPEN = ("java.lang", "java.net", "java.io", "java.nio", "java.text", "java.time", "java.util",
        "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks",
        "java.lang.reflect", "sun.net.util")
JAVA_OPTIONS = ["-Xmx640m", "-Xlog:disable", "-Xlog:all=error:stderr", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPEN)]
SETTINGS = {"rest.address": "127.0.0.1", "rest.bind-address": "127.0.0.1", "rest.port": "0",
            "rest.bind-port": "0", "jobmanager.rpc.address": "127.0.0.1", "table.exec.resource.default-parallelism": "1"}
# What reads or writes once fails at once; a stream goes on through some failures.
RESTARTS = {"batch": {"restart-strategy.type": "none"},
            "streaming": {"restart-strategy.type": "fixed-delay",
                          "restart-strategy.fixed-delay.delay": "500ms",
                          "restart-strategy.fixed-delay.attempts": "100"}}
SLOWLY, AT_ONCE = 500, 100000  # rows a second of a `source`
RATE = "(the job's rate)"
WAIT_SECONDS = 180  # a ceiling for hung tests, not an expectation
CATALOG = "CREATE CATALOG c WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = '{}', " \
          "'cache-enabled' = 'false')"


def enter_environment():
    """The script itself runs with PyIceberg, which reads what Flink wrote."""
    if "--inside" in sys.argv:
        sys.argv.remove("--inside")
        return
    if missing_tools():
        print(f"{missing_tools()}\n0 passed, 1 failed")
        sys.exit(1)
    made = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), "pyiceberg"],
                          stdout=subprocess.PIPE, check=True)
    python = os.path.join(made.stdout.decode().strip(), "bin", "python")
    os.execv(python, [python, *sys.argv, "--inside"])


def class_path(project):
    """The jars of a folder's pom.xml. Maven is asked once and again when one of them is gone."""
    pom = (ENGINES / project / "pom.xml").read_bytes()
    known = ROOT / "build" / project / f"{hashlib.sha256(pom).hexdigest()[:12]}.path"
    if known.is_file() and all(map(os.path.exists, known.read_text().split(":"))):
        return known.read_text()
    known.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("r", dir=known.parent, delete=False) as found:
        status, output = maven(ENGINES / project, "dependency:build-classpath",
                               f"-Dmdep.outputFile={found.name}", f"-Dfirn.build={known.parent}")
        if status != 0:
            raise RuntimeError(output[-3000:])
        os.rename(found.name, known)
        return found.read().strip()


def java():
    return str(java_home() / "bin" / "java")


def tool(name, *arguments):
    subprocess.run([str(java_home() / "bin" / name), *arguments], check=True)


class Program:
    """Shell.java, compiled for the Flink of a pom.xml."""

    def __init__(self, project="flink"):
        self.jars = class_path(project)
        source = ENGINES / "flink" / "Shell.java"
        digest = hashlib.sha256(source.read_bytes() + self.jars.encode()).hexdigest()[:12]
        self.jar = ROOT / "build" / project / f"shell-{digest}.jar"
        self.archive = self.jar.with_suffix(".jsa")
        if not self.jar.is_file():
            with tempfile.TemporaryDirectory(dir=self.jar.parent) as temp:
                tool("javac", "-cp", self.jars, "-d", f"{temp}/classes", str(source))
                tool("jar", "--create", "--file", f"{temp}/jar", "-C", f"{temp}/classes", ".")
                os.rename(f"{temp}/jar", self.jar)

    def command(self, temp, mode, settings, *options):
        if self.archive.is_file():
            options = (*options, f"-XX:SharedArchiveFile={self.archive}")
        return [java(), *JAVA_OPTIONS, *options, f"-Djava.io.tmpdir={temp}", "-cp", f"{self.jar}:{self.jars}",
                "Shell", mode, *(f"{k}={v}" for k, v in {**SETTINGS, **RESTARTS[mode], **settings}.items())]

    def archive_classes(self):
        """Lays ready the classes that a job needs: the start of each then takes half as long."""
        if self.archive.is_file():
            return
        with tempfile.TemporaryDirectory(dir=self.jar.parent) as temp:
            shell = Shell(self, "streaming", java_options=[f"-XX:ArchiveClassesAtExit={temp}/jsa"],
                          **{"execution.checkpointing.interval": "1s"})
            database = f"archive_{os.path.basename(temp)}"
            shell.run(f"CREATE DATABASE c.{database}", f"CREATE TABLE c.{database}.t (id BIGINT)",
                      source("gen", 10, AT_ONCE), f"INSERT INTO c.{database}.t SELECT id FROM gen",
                      f"DROP TABLE c.{database}.t", f"DROP DATABASE c.{database}")
            shell.process.stdin.close()
            shell.process.wait()
            shell.close()
            if os.path.exists(f"{temp}/jsa"):
                os.rename(f"{temp}/jsa", self.archive)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


class FlinkError(Exception):
    pass


class Shell:
    """One JVM. `mode`: batch, or streaming for jobs that go on."""

    def __init__(self, program, mode, uri=None, java_options=(), **settings):
        self.temp = tempfile.mkdtemp(prefix="firn-flink-")
        self.log_path = os.path.join(self.temp, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                program.command(self.temp, mode, settings, *java_options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, env=environment({"HADOOP_CONF_DIR": self.temp}), start_new_session=True)
        try:
            self.run(CATALOG.format(uri or address()))
        except BaseException:
            self.close()
            raise

    def ask(self, request):
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise FlinkError(f"the JVM ended:\n{self.log()}")
        reply = json.loads(line)
        if "error" in reply:
            raise FlinkError(reply["error"])
        return [tuple(row) for row in reply["rows"]]

    def run(self, *statements):
        """The rows of the last one."""
        rows = []
        for statement in statements:
            rows = self.ask({"sql": statement})
        return rows

    def submit(self, statement):
        """Starts a job and does not wait for it."""
        self.ask({"sql": statement, "wait": False})

    def wait(self):
        """Until the job that was submitted last ends, well."""
        self.ask({"wait": True})

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")[-4000:]

    def kill(self):
        """kill -9, and gone when it returns."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.temp, ignore_errors=True)

    close = kill


class Job:
    """A statement that runs until it is killed, and then goes on from its newest checkpoint."""

    def __init__(self, test, insert, *before, program=None, uri=None, **settings):
        self.test, self.insert, self.before = test, insert, before
        self.program, self.uri = program or test.program, uri
        self.checkpoints = tempfile.mkdtemp(prefix="firn-flink-checkpoints-")
        test.addCleanup(shutil.rmtree, self.checkpoints, True)
        test.addCleanup(self.kill)
        self.settings = {"execution.checkpointing.interval": "2s",
                         "execution.checkpointing.dir": f"file://{self.checkpoints}", **settings}
        self.shell = None
        self.rate = SLOWLY

    def newest(self):
        found = [(int(re.search(r"chk-(\d+)$", str(p.parent)).group(1)), str(p.parent))
                 for p in Path(self.checkpoints).glob("*/chk-*/_metadata")]
        return max(found, default=(0, None))[1]

    def start(self):
        settings = dict(self.settings)
        if self.newest():
            settings["execution.state-recovery.path"] = f"file://{self.newest()}"
        self.shell = Shell(self.program, "streaming", uri=self.uri, **settings)
        self.shell.run(*(statement.replace(RATE, str(self.rate)) for statement in self.before))
        self.shell.submit(self.insert)
        return self

    def kill(self):
        if self.shell:
            self.shell.kill()
            self.shell = None

    def kill_and_restore(self):
        self.kill()
        self.start()

    def finish(self):
        """Killed once more; then its source is exhausted and everything is committed."""
        self.rate = AT_ONCE
        self.kill_and_restore()
        self.shell.wait()
        self.kill()

    @property
    def running(self):
        return self.shell is not None and self.shell.process.poll() is None


def source(name, rows, rate=RATE):
    """A table of the numbers 0 to rows - 1, so many a second. The sources of jobs last longer than all
    that is done to the job, and end when it is told to finish."""
    return (f"CREATE TEMPORARY TABLE {name} (id BIGINT) WITH ('connector' = 'datagen', "
            f"'rows-per-second' = '{rate}', 'number-of-rows' = '{rows}', 'fields.id.kind' = 'sequence', "
            f"'fields.id.start' = '0', 'fields.id.end' = '{rows - 1}')")


class FlinkTest(EngineTest):
    """The shell for batches is shared by all tests of a script: MODULE.setUpModule calls `start`."""
    program = shell = None

    @classmethod
    def start(cls, program):
        cls.program = program
        cls.shell = Shell(program, "batch")

    def setUp(self):
        self.ns = self.fresh_name("n")
        self.shell.run(f"CREATE DATABASE c.{self.ns}")

    def expand(self, sql):
        """$t is this test's table t."""
        return sql.replace("$", f"c.{self.ns}.")

    def run_sql(self, *statements):
        return self.shell.run(*map(self.expand, statements))

    def rows(self, sql):
        return self.run_sql(sql)

    def check_rows(self, expected, sql):
        self.assertEqual(expected, self.rows(sql))

    def fails(self, pattern, *statements):
        with self.assertRaisesRegex(FlinkError, pattern):
            self.run_sql(*statements)

    def metadata(self, name="t", uri=None):
        """What the catalog says, without Flink."""
        url = f"{uri or address()}/v1/namespaces/{quote(self.ns)}/tables/{quote(name)}"
        with urllib.request.urlopen(url) as reply:
            return json.load(reply)["metadata"]

    def snapshots(self, name="t", uri=None):
        return sorted(self.metadata(name, uri)["snapshots"], key=lambda s: s.get("sequence-number", 0))

    def wait_for(self, condition, job, what):
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if not job.running or time.monotonic() > deadline:
                self.fail(f"no {what}; the job: {job.shell and job.shell.log()}")
            time.sleep(0.05)

    def count_commits(self, name="t", uri=None):
        return len(self.metadata(name, uri)["snapshots"])

    def wait_for_commit(self, job, name="t", uri=None):
        before = self.count_commits(name, uri)
        self.wait_for(lambda: self.count_commits(name, uri) > before, job, "commit")

    def kill_within_a_checkpoint(self, job, name="t"):
        """After a commit of this life of the job, at any moment of the next interval."""
        self.wait_for_commit(job, name)
        time.sleep(random.uniform(0, 2.2))
        job.kill_and_restore()

    def start_and_kill(self, job, name, kills):
        """It runs afterwards."""
        job.start()
        for _ in range(kills):
            self.kill_within_a_checkpoint(job, name)

    def run_with_kills(self, job, name, kills):
        """From the start of a job to the end of its source; the last kill is `finish`'s."""
        self.start_and_kill(job, name, kills - 1)
        self.wait_for_commit(job, name)
        job.finish()

    def together(self, *calls):
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            for done in [pool.submit(*call) for call in calls]:
                done.result()

    def check_checkpoints(self, name="t", uri=None):
        """No checkpoint of a job was committed twice."""
        seen = set()
        for snapshot in self.snapshots(name, uri):
            summary = snapshot["summary"]
            key = (summary["flink.job-id"], summary["flink.operator-id"],
                   summary["flink.max-committed-checkpoint-id"])
            self.assertNotIn(key, seen)
            seen.add(key)
