"""The image is built, and the file with the catalog alone is started, where there is a tool for it.

FIRN_CONTAINER_TOOL names docker or podman; without it the first of them that answers is taken.
Where neither does, or the base image cannot be had, the tests are skipped, with the reason."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

from tests.docs.test_snippets import client_python
from tests.harness import ROOT, environment

BASE = "debian:bookworm-slim"
IMAGE_BYTES_MAX = 100_000_000
TOOL_SECONDS = 60
BUILD_SECONDS = 1200
WAIT_SECONDS = 60


def run(command, seconds=TOOL_SECONDS, **env):
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment(env), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        return done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as e:
        return -1, f"ran out of time: {e.cmd}"


def last_line(output):
    return (output.strip().splitlines() or ["it says nothing"])[-1]


def find_tool():
    """(tool, None) or (None, why there is none)."""
    reasons = []
    for tool in filter(None, os.environ.get("FIRN_CONTAINER_TOOL", "docker podman").split()):
        if shutil.which(tool) is None:
            reasons.append(f"{tool} is not installed")
            continue
        status, output = run([tool, "info"])
        if status == 0 and "Cannot connect" not in output:
            return tool, None
        reasons.append(f"{tool} does not answer: {last_line(output)}")
    return None, "; ".join(reasons)


def find_compose(tool):
    for command in ([tool, "compose"], [f"{tool}-compose"]):
        if shutil.which(command[0]) and run([*command, "version"])[0] == 0:
            return command
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Image(unittest.TestCase):
    image = None

    @classmethod
    def setUpClass(cls):
        cls.tool, cls.why_not = find_tool()
        if cls.tool is None:
            return
        status, output = run([cls.tool, "image", "inspect", BASE])
        if status != 0:
            status, output = run([cls.tool, "pull", BASE], 300)
        if status != 0:
            cls.why_not = f"{BASE} cannot be had: {last_line(output)}"
            return
        cls.image = "firn-test-" + uuid.uuid4().hex[:8]
        status, output = run([cls.tool, "build", "-t", cls.image, "-f", "docker/Dockerfile", "."],
                             BUILD_SECONDS)
        assert status == 0, output[-6000:]

    @classmethod
    def tearDownClass(cls):
        if cls.image is not None:
            run([cls.tool, "image", "rm", "-f", cls.image])

    def setUp(self):
        if self.why_not is not None:
            self.skipTest(self.why_not)

    def inspect(self):
        status, output = run([self.tool, "image", "inspect", self.image])
        self.assertEqual(0, status, output)
        return json.loads(output)[0]

    def test_what_it_is(self):
        found = self.inspect()
        self.assertLess(found["Size"], IMAGE_BYTES_MAX)
        self.assertEqual("firn", found["Config"]["User"])
        self.assertIn("/var/lib/firn", found["Config"]["Volumes"])

    def test_starts_by_its_defaults_only_when_told_so(self):
        """The address of a container is not loopback."""
        status, output = run([self.tool, "run", "--rm", self.image])
        self.assertEqual(2, status, output)
        self.assertIn("--allow-anonymous-network", output)

    def compose(self, directory=None, user="1000:1000", admin=False):
        """Starts the file; (how to call compose, its environment, the catalog's address, what was
        printed when the admin was made)."""
        command = find_compose(self.tool)
        if command is None:
            self.skipTest(f"{self.tool} has no compose")
        project = "firn-test-" + uuid.uuid4().hex[:8]
        port = free_port()
        env = {"FIRN_IMAGE": self.image, "FIRN_PORT": str(port), "FIRN_USER": user,
               "COMPOSE_PROJECT_NAME": project}
        if directory:
            env["FIRN_DIR"] = directory
        call = [*command, "-f", "docker/compose.yaml"]
        self.addCleanup(run, [*call, "down", "-v"], 120, **env)
        made = None
        if admin:
            env["FIRN_AUTH"] = "required"
            status, made = run([*call, "run", "--rm", "-T", "firn", "principal", "create", "admin",
                                "--admin"], 120, **env)
            self.assertEqual(0, status, made)
        status, output = run([*call, "up", "-d", "--no-build"], 300, **env)
        self.assertEqual(0, status, output)
        return call, env, f"http://127.0.0.1:{port}", made

    def request(self, url, body=None):
        request = urllib.request.Request(url, body and json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read())

    def wait_ready(self, url):
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return self.request(url + "/health/ready")
            except (OSError, urllib.error.URLError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def test_compose_keeps_what_it_was_told(self):
        call, env, url, _ = self.compose()
        self.wait_ready(url)
        self.request(url + "/v1/namespaces", {"namespace": ["kept"]})
        for verb in ("stop", "start"):
            status, output = run([*call, verb], 120, **env)
            self.assertEqual(0, status, output)
        self.wait_ready(url)
        self.assertEqual([["kept"]], self.request(url + "/v1/namespaces")["namespaces"])
        status, output = run([*call, "exec", "-T", "firn", "firn", "warehouse", "list"], **env)
        self.assertEqual(0, status, output)
        self.assertIn("file:///var/lib/firn/warehouse", output)

    def test_tokens(self):
        _, _, url, made = self.compose(admin=True)
        self.wait_ready(url)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.request(url + "/v1/namespaces")
        self.assertEqual(401, refused.exception.code)
        _, client_id, secret = re.search(r"(?m)^admin\t(\S+)\t(\S+)", made).group(0).split()
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id,
                                       "client_secret": secret})
        with urllib.request.urlopen(url + "/v1/oauth/tokens", form.encode(), timeout=10) as reply:
            self.assertEqual("bearer", json.loads(reply.read())["token_type"].lower())

    def test_tables_for_programs_outside(self):
        directory = tempfile.mkdtemp(prefix="firn-image-")
        self.addCleanup(shutil.rmtree, directory, True)
        _, _, url, _ = self.compose(directory, f"{os.getuid()}:{os.getgid()}")
        self.wait_ready(url)
        program = f"""
import pyarrow as pa
from pyiceberg.catalog import load_catalog
catalog = load_catalog("firn", type="rest", uri="{url}")
catalog.create_namespace("shop")
rows = pa.table({{"id": [1, 2]}})
table = catalog.create_table("shop.orders", schema=rows.schema)
table.append(rows)
assert table.scan().to_arrow().num_rows == 2
"""
        status, output = run([client_python("pyiceberg"), "-c", program], 300)
        self.assertEqual(0, status, output)


if __name__ == "__main__":
    unittest.main()
