"""The Java that the engines run on: a JDK of 17 to 21, since Hadoop's client ends with later ones."""
import functools
import re
import shutil
import subprocess
from pathlib import Path

from tests.harness import environment

MAJORS = range(17, 22)


def major_of(home):
    try:
        done = subprocess.run([str(home / "bin" / "javac"), "-version"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    except OSError:
        return None
    found = re.search(rb"javac (\d+)", done.stdout)
    return int(found.group(1)) if found else None


@functools.cache
def java_home():
    """The JDK of the PATH when it will do, else one of those that distributions install side by side."""
    javac = shutil.which("javac")
    homes = [Path(javac).resolve().parent.parent] if javac else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"))
    for home in homes:
        if major_of(home) in MAJORS:
            return home
    return None


def java_environment():
    return {"JAVA_HOME": str(java_home()), "MAVEN_OPTS": "-Xmx256m"}


def missing_tools():
    """What is missing to run them, or ''."""
    if java_home() is None:
        return "there is no JDK of 17 to 21: tools/prepare engines"
    return "" if shutil.which("mvn") else "there is no maven: tools/prepare engines"


def maven(project, *arguments):
    """Runs Maven on a folder's pom.xml: (status, output). Without the network when all is there:
    then no registry is asked for news, and none can be missing."""
    env = {k: v for k, v in environment(java_environment()).items()
           if not k.startswith("CATALOG_")}  # settings of Iceberg's test kits
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(project / "pom.xml"), *arguments]
    for more in (["--offline"], []):
        done = subprocess.run([*command, *more], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if b"offline mode" not in done.stdout:
            break
    return done.returncode, done.stdout.decode("utf-8", "replace")
