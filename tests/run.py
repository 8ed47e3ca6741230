#!/usr/bin/env python3
"""Builds what is needed, runs the tests, and counts.

    tests/run.py [--suite unit,http,openapi,pyiceberg,docs,docker,s3,hdfs,rck,duckdb,spark,flink,
                 kafka,cdc,storage_matrix,kill,lint,asan,ubsan,tsan] [--quick] [--kill-cycles N] [--seed S] [--jobs N]
                 [--only TEXT]

Suites: unit, the C tests and the fuzz targets on their corpora; http, the program seen from outside;
openapi, the description, and every reply of the http suite (which it runs) compared with it;
pyiceberg, a real client; gateway, AWS's clients, hostile requests and kill -9 on the S3 gateway;
docs, the code in README.md and docs/, executed; docker, the image and the
compose files; s3, file access and the catalog with S3 stores, sound and failing; hdfs, the same with
HDFS; rck, the Java compatibility kit; duckdb, spark and flink, engines; kafka and cdc, pipelines
through Flink; storage_matrix, clients on every way to the bytes; kill, the kill loop and the tests of its checker; lint; asan, ubsan, tsan: the unit and
the http tests on those builds. Without --suite: unit, http, openapi, pyiceberg, gateway, docs,
docker, kill, lint; with --quick: unit, http, openapi, lint.
Prints a line per group, the output of what failed, why tests were skipped, and at last
`N passed, N failed`, with `, N skipped` when some were."""
import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not tests/, where `http` would hide Python's own

SANITIZERS = ("asan", "ubsan", "tsan")
STORES = ("moto", "radosgw")
ENGINES = ("rck", "duckdb", "spark", "flink", "kafka", "cdc", "storage_matrix")
DEFAULT = ("unit", "http", "openapi", "pyiceberg", "gateway", "docs", "docker", "kill", "lint")
SUITES = DEFAULT + ("s3", "hdfs") + ENGINES + SANITIZERS
QUICK = ("unit", "http", "openapi", "lint")
JOB_SECONDS = 1800
SHOWN_BYTES = 12000
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
SKIPPED = re.compile(r"^skipped: .*$", re.M)
CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", re.M)
# Modules whose classes run side by side, because together they would be the last to end
SPLIT = ("test_bad_input", "test_hostile", "test_locations")


class Job:
    """One process and how to count what it says. Jobs of one chain run one after the other."""

    def __init__(self, suite, name, command, env=None, weight=1, kind="counts", chain=None):
        self.suite, self.name, self.command = suite, name, command
        self.env, self.weight, self.kind = env or {}, weight, kind
        self.chain = chain or id(self)
        self.passed = self.failed = self.skipped = 0
        self.output = ""

    def run(self):
        started = time.monotonic()
        try:
            done = subprocess.run(self.command, cwd=ROOT, env={**os.environ, **self.env},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=JOB_SECONDS)
            status, self.output = done.returncode, done.stdout.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as e:
            status = -1
            self.output = (e.stdout or b"").decode("utf-8", "replace") + "\nran out of time"
        self.count(status)
        self.seconds = time.monotonic() - started
        return self

    def count(self, status):
        if self.kind == "cmocka":
            found = collections.Counter()  # a program may run several groups
            for word, n in CMOCKA.findall(self.output):
                found[word] += int(n)
            self.passed, self.failed, self.skipped = (
                found[word] for word in ("PASSED", "FAILED", "SKIPPED"))
        elif self.kind == "status":
            self.passed, self.failed = int(status == 0), int(status != 0)
        else:
            found = COUNTS.findall(self.output)
            if found:
                self.passed, self.failed, self.skipped = (int(n or 0) for n in found[-1])
        if status != 0 and self.failed == 0 or self.passed + self.failed + self.skipped == 0:
            self.failed += 1  # it died, or said nothing


def counts(jobs, broken_builds=0):
    passed, failed, skipped = (sum(getattr(job, kind) for job in jobs)
                               for kind in ("passed", "failed", "skipped"))
    failed += broken_builds
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def test_modules(folder):
    return sorted(p.stem for p in (ROOT / folder).glob("test_*.py"))


def python_tests(*names, python=sys.executable):
    return [python, str(ROOT / "tests" / "run_unittest.py"), *names]


def unit_jobs(suite, variant):
    env = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    sources = [p.relative_to(ROOT) for folder in ("unit", "contract")
               for p in sorted((ROOT / "tests" / folder).glob("test_*.c"))]
    jobs = [Job(suite, f"unit {p.stem}", [str(ROOT / "build" / variant / p.with_suffix(""))],
                env=env, kind="cmocka") for p in sources]
    for target in sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c")):  # on their corpora
        corpus = ROOT / "tests" / "fuzz" / "corpus" / target.stem.removeprefix("fuzz_")
        jobs.append(Job(suite, f"unit {target.stem}", [
            str(ROOT / "build" / variant / "tests" / "fuzz" / target.stem), str(corpus)],
            env=env, kind="cmocka"))
    return jobs


def http_jobs(suite, variant, recordings=None):
    jobs = []
    env = {"FIRN_VARIANT": variant}
    if recordings:
        env["FIRN_RECORD"] = recordings
    for module in test_modules("tests/http"):
        full = f"tests.http.{module}"
        names = [full]
        if module in SPLIT:
            text = (ROOT / "tests" / "http" / f"{module}.py").read_text()
            names = [f"{full}.{name}" for name in re.findall(r"^class (\w+)\((?:Hostile|LocationTest)\)", text, re.M)]
        for name in names:
            jobs.append(Job(suite, f"http {name.removeprefix('tests.http.')}", python_tests(name),
                            env=env, weight=10 if len(names) > 1 else 5))
    return jobs


def check_recordings(recordings, arguments):
    """After the http suite: what it saw, compared with the description."""
    command = [sys.executable, str(ROOT / "tests" / "openapi" / "check_recordings.py"), recordings]
    return Job("openapi", "recordings", command + (["--partial"] if arguments.only else []))


def client_environment(name):
    done = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), name],
                          stdout=subprocess.PIPE, check=True)
    return Path(done.stdout.decode().strip()) / "bin" / "python"


def engine_job(suite):
    """One Java at a time: their chain."""
    weight, chain = {"rck": (150, "java"), "duckdb": (75, None), "spark": (250, "java"),
                     "flink": (220, "java"), "kafka": (45, "java"), "cdc": (45, "java"),
                     "storage_matrix": (250, "java")}[suite]
    return Job(suite, suite, [sys.executable, str(ROOT / "tests" / "engines" / f"{suite}.py")],
               weight=weight, chain=chain)


def store_jobs(suite):
    """The C contract and the Python tests of tests/stores, with each store."""
    programs = ROOT / "build" / "release" / "tests" / "contract"
    names = [f"tests.stores.{module}" for module in test_modules("tests/stores")]
    jobs = []
    for store in STORES:
        start = [sys.executable, str(ROOT / "tests" / "stores" / f"{store}.py")]
        for part in ("file_io_s3", "s3_access") if store == "radosgw" else ("file_io_s3",):
            jobs.append(Job(suite, f"{store}: {part}", start + [str(programs / f"test_{part}")],
                            weight=60, kind="cmocka"))
        jobs.append(Job(suite, f"{store}: catalog", start + python_tests(*names), weight=90))
    kill_loop = [sys.executable, str(ROOT / "tests" / "soak" / "kill_loop.py")]
    jobs.append(Job(suite, "radosgw: kill loop",
                    start + kill_loop + ["--store", "--cycles", "30"], weight=80))
    return jobs


def hdfs_jobs(suite):
    start = [sys.executable, str(ROOT / "tests" / "stores" / "minidfs.py")]
    program = ROOT / "build" / "failpoint" / "tests" / "contract" / "test_file_io_webhdfs"
    return [Job(suite, "file_io_webhdfs", [*start, str(program)], weight=150, kind="cmocka",
                chain="java"),
            Job(suite, "catalog", start + python_tests("tests.stores.hdfs_catalog"),
                weight=30, chain="java")]


def jobs_of(suite, arguments, recordings):
    if suite == "unit":
        return unit_jobs(suite, "release")
    if suite == "http":
        return http_jobs(suite, "release", recordings)
    if suite == "openapi":
        return [Job(suite, "description", python_tests(
            *(f"tests.openapi.{module}" for module in test_modules("tests/openapi"))))]
    if suite == "pyiceberg":
        python = client_environment("pyiceberg")
        return [Job(suite, f"pyiceberg {module}", python_tests(f"tests.clients.pyiceberg.{module}",
                                                               python=str(python)), weight=90)
                for module in test_modules("tests/clients/pyiceberg")]
    if suite == "gateway":
        python = client_environment("gateway")
        return [Job(suite, f"gateway {module}", python_tests(f"tests.gateway.{module}",
                                                             python=str(python)), weight=40)
                for module in test_modules("tests/gateway")]
    if suite in ("docs", "docker"):
        return [Job(suite, f"{suite} {module}", python_tests(f"tests.{suite}.{module}"), weight=60)
                for module in test_modules(f"tests/{suite}")]
    if suite == "s3":
        return store_jobs(suite)
    if suite == "hdfs":
        return hdfs_jobs(suite)
    if suite in ENGINES:
        return [engine_job(suite)]
    if suite == "kill":
        command = [sys.executable, str(ROOT / "tests" / "soak" / "kill_loop.py"),
                   "--cycles", str(arguments.kill_cycles)]
        if arguments.seed is not None:
            command += ["--seed", str(arguments.seed)]
        return [Job(suite, "kill loop", command, weight=arguments.kill_cycles),
                Job(suite, "kill loop's checker", python_tests("tests.soak.test_checker"))]
    if suite == "lint":
        return [Job(suite, "lint", ["make", "--no-print-directory", "lint"], kind="status")]
    return unit_jobs(suite, suite) + http_jobs(suite, suite)


def variants_of(suites):
    variants = []
    for suite in suites:
        if suite in ("unit", "http", "pyiceberg", "gateway", "docs", "docker", "s3", "hdfs") + ENGINES:
            variants.append("release")
        if suite in ("http", "kill", "flink", "s3", "hdfs"):
            variants.append("failpoint")
        if suite in SANITIZERS:
            variants.append(suite)
    return list(dict.fromkeys(variants))


def build(variant, with_tests):
    command = ["make", "--no-print-directory", f"-j{os.cpu_count()}", "DEV=1", f"VARIANT={variant}",
               "programs" if with_tests else "all"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(done.stdout.decode("utf-8", "replace")[-SHOWN_BYTES:])
    return done.returncode == 0


def run_jobs(jobs, width):
    """Heaviest first; prints each as it ends."""
    lock = threading.Lock()
    chains = {}
    for job in jobs:
        chains.setdefault(job.chain, []).append(job)

    def run(job):
        job.run()
        with lock:
            print(f"{job.suite:9} {job.name}: {counts([job])} ({job.seconds:.1f} s)", flush=True)
            for line in SKIPPED.findall(job.output):
                print("    " + line, flush=True)
            if job.failed:
                print("\n".join("    " + line for line in
                                job.output[-SHOWN_BYTES:].splitlines()), flush=True)

    def run_chain(chain):
        for job in chain:
            run(job)

    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        list(pool.map(run_chain, sorted(chains.values(),
                                        key=lambda chain: -sum(job.weight for job in chain))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kill-cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="of the kill loop")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", default="", help="jobs whose name contains this")
    arguments = parser.parse_args()
    suites = arguments.suite.split(",") if arguments.suite else QUICK if arguments.quick else DEFAULT
    unknown = set(suites) - set(SUITES)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    if "openapi" in suites and "http" not in suites:
        suites = ["http", *suites]

    broken = set()
    for variant in variants_of(suites):
        if not build(variant, variant in SANITIZERS or {"unit", "s3", "hdfs"} & set(suites)):
            print(f"build     VARIANT={variant}: 0 passed, 1 failed")
            broken.add(variant)
    recordings = tempfile.mkdtemp(prefix="firn-record-") if "openapi" in suites else None
    jobs = [job for suite in suites if not set(variants_of([suite])) & broken
            for job in jobs_of(suite, arguments, recordings) if arguments.only in job.name]
    run_jobs(jobs, arguments.jobs)
    if recordings and any(job.suite == "http" for job in jobs):
        last = check_recordings(recordings, arguments)
        run_jobs([last], 1)
        jobs.append(last)
    if recordings:
        shutil.rmtree(recordings, ignore_errors=True)
    for suite in suites:
        mine = [job for job in jobs if job.suite == suite]
        print(f"{suite}: {counts(mine)}")
    print(counts(jobs, len(broken)))
    failed = broken or any(job.failed for job in jobs)
    return 1 if failed or not any(job.passed for job in jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
