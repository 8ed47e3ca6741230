#!/usr/bin/env python3
"""HDFS on this machine: a namenode and a datanode in one Java process, reached by WebHDFS.

    tests/stores/minidfs.py [COMMAND ...]   runs the command with FIRN_TEST_WEBHDFS (http://host:port)
                                            set; without one, prints it and stays until interrupted

Needs what `tools/prepare engines` installs: a JDK and Maven, which brings Hadoop's jars. User root may
do all. Kerberos is off."""
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)
from tests.engines.java import java_home, maven, missing_tools  # noqa: E402
from tests.stores import radosgw, store  # noqa: E402

PROJECT = Path(__file__).resolve().parent / "hdfs"
LOGGING = "log4j.rootLogger=WARN, err\nlog4j.appender.err=org.apache.log4j.ConsoleAppender\n" \
          "log4j.appender.err.target=System.err\nlog4j.appender.err.layout=org.apache.log4j.PatternLayout\n" \
          "log4j.appender.err.layout.ConversionPattern=%d %p %c: %m%n\n"


def class_path():
    """Of Hadoop's jars. Asked once of Maven for a pom.xml, then kept in build/ as long as they exist."""
    pom = (PROJECT / "pom.xml").read_bytes()
    kept = ROOT / "build" / "hdfs" / f"class-path-{hashlib.sha256(pom).hexdigest()[:16]}"
    if kept.exists() and all(map(os.path.exists, kept.read_text().split(os.pathsep))):
        return kept.read_text()
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_name(f"{kept.name}.{os.getpid()}")
    status, output = maven(PROJECT, "dependency:build-classpath", f"-Dmdep.outputFile={new}",
                           f"-Dfirn.build={kept.parent}")
    if status != 0:
        raise RuntimeError(output[-3000:])
    new.rename(kept)
    return kept.read_text()


class MiniDfs(store.Store):
    name = "minidfs"
    user = "root"

    def run(self):
        logging = os.path.join(self.directory, "log4j.properties")
        with open(logging, "w", encoding="utf-8") as out:
            out.write(LOGGING)
        # Its standard input is a pipe of ours: it ends with us, however we end.
        with open(os.path.join(self.directory, "hdfs.err"), "wb") as err:
            process = subprocess.Popen(
                [str(java_home() / "bin" / "java"), "-Xmx400m",
                 "--add-opens", "java.base/java.lang=ALL-UNNAMED",
                 f"-Dlog4j.configuration=file:{logging}", f"-Djava.io.tmpdir={self.directory}",
                 "-cp", class_path(), str(PROJECT / "MiniHdfs.java"),
                 os.path.join(self.directory, "data")],
                cwd=self.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
                start_new_session=True)
        self.processes.append(process)
        ports = {}
        while len(ports) < 2:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("HDFS did not start:\n" + self.errors())
            found = re.match(rb"(rpc|http) (\d+)$", line)
            if found:
                ports[found.group(1)] = int(found.group(2))
        self.endpoint = f"http://127.0.0.1:{ports[b'http']}"
        self.location = f"hdfs://127.0.0.1:{ports[b'rpc']}"

    def errors(self):
        return Path(self.directory, "hdfs.err").read_text(errors="replace")[-3000:]

    def environment(self):
        return {"FIRN_TEST_WEBHDFS": self.endpoint, "FIRN_TEST_HDFS": self.location}


if __name__ == "__main__":
    if missing_tools():
        print(f"{missing_tools()}\n0 passed, 1 failed")
        sys.exit(1)
    sys.exit(radosgw.main(MiniDfs, sys.argv[1:]))
