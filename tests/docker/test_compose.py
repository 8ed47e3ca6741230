"""The files of docker/ are of the right form and fit the program; the code of the notebooks runs.

Images are built and started by test_image.py, where that is possible."""
import ast
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

from tests.docs import snippets
from tests.docs.test_snippets import client_python
from tests.harness import ROOT, Server, environment, run_firn
from tools import openapi_json

DOCKER = ROOT / "docker"
COMPOSE = sorted(DOCKER.glob("compose*.yaml"))
SERVICE_KEYS = {"build", "command", "depends_on", "environment", "image", "ports", "restart",
                "stop_grace_period", "user", "volumes"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def filled(text):
    """With the defaults of its variables."""
    return VARIABLE.sub(lambda found: found.group(2), text)


class Compose(unittest.TestCase):
    def services(self):
        for path in COMPOSE:
            document = openapi_json.parse(path.read_text())
            for name, service in document["services"].items():
                with self.subTest(file=path.name, service=name):
                    yield document, name, service

    def test_there_are_three(self):
        self.assertEqual(["compose.notebooks.yaml", "compose.streaming.yaml", "compose.yaml"],
                         [path.name for path in COMPOSE])

    def test_keys(self):
        for document, _, service in self.services():
            self.assertEqual(set(), set(document) - {"services", "volumes"})
            self.assertEqual(set(), set(service) - SERVICE_KEYS)

    def test_images_come_from_somewhere(self):
        for document, name, service in self.services():
            built = {other["image"] for other in document["services"].values() if "build" in other}
            self.assertTrue(service["image"] in built or ":" in service["image"],
                            "an image that is fetched has a version")
            if "build" in service:
                context = DOCKER / service["build"]["context"]
                dockerfile = context / service["build"].get("dockerfile", "Dockerfile")
                self.assertTrue(dockerfile.is_file(), dockerfile)

    def test_ports_are_this_machines_alone(self):
        for _, _, service in self.services():
            for port in service.get("ports", []):
                self.assertRegex(filled(port), r"^127\.0\.0\.1:\d+:\d+$")

    def test_volumes(self):
        for document, _, service in self.services():
            for volume in service.get("volumes", []):
                source, target = filled(volume).split(":")[:2]
                self.assertTrue(target.startswith("/"))
                if source.startswith("."):
                    self.assertTrue((DOCKER / source).is_file(), source)
                else:
                    self.assertIn(source, document["volumes"])

    def test_dependencies(self):
        for document, _, service in self.services():
            for name, how in service.get("depends_on", {}).items():
                self.assertIn(name, document["services"])
                self.assertIn(how["condition"], CONDITIONS)

    def test_options_of_firn(self):
        status, out, _ = run_firn("serve", "--help")
        self.assertEqual(0, status)
        known = {"FIRN_" + name.upper().replace("-", "_")
                 for name in re.findall(r"(?m)^  --([a-z-]+)", out)}
        used = 0
        for _, _, service in self.services():
            for name, value in service.get("environment", {}).items():
                self.assertIsInstance(value, str, f"{name} has to be quoted")
                if filled(service["image"]) == "firn":
                    self.assertIn(name, known)
                    used += 1
        self.assertGreater(used, 3)

    def test_compose_itself_agrees(self):
        for command in (["docker", "compose"], ["podman-compose"]):
            if shutil.which(command[0]) and not self.call([*command, "version"])[0]:
                break
        else:
            self.skipTest("neither docker compose nor podman-compose is installed")
        for path in COMPOSE:
            status, said = self.call([*command, "-f", str(path), "config"])
            self.assertEqual(0, status, said)

    def call(self, command):
        done = subprocess.run(command, capture_output=True, env=environment(), timeout=60)
        return done.returncode, done.stderr.decode("utf-8", "replace")


class Dockerfiles(unittest.TestCase):
    def instructions(self, path):
        text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text()).replace("\\\n", " ")
        return [line.split(None, 1) for line in text.splitlines() if line.strip()]

    def test_form(self):
        for path in sorted(DOCKER.rglob("Dockerfile")):
            with self.subTest(file=str(path.relative_to(DOCKER))):
                instructions = self.instructions(path)
                self.assertEqual("FROM", instructions[0][0])
                for name, value in instructions:
                    self.assertRegex(name, "^(CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|RUN"
                                           "|STOPSIGNAL|USER|VOLUME|WORKDIR)$")
                    if value.startswith("["):
                        json.loads(value)
                    if name == "FROM":
                        self.assertRegex(value, r"^[\w./-]+:[\w.-]+( AS \w+)?$")
                    if name == "RUN":
                        done = subprocess.run(["bash", "-n"], input=value.encode(),
                                              capture_output=True)
                        self.assertEqual(b"", done.stderr)
                users = [value for name, value in instructions if name == "USER"]
                self.assertNotIn(users[-1], ("root", "0"))

    def test_what_is_copied_is_there(self):
        for path in sorted(DOCKER.rglob("Dockerfile")):
            context = ROOT if path.parent == DOCKER else path.parent
            for name, value in self.instructions(path):
                if name == "COPY" and "--from" not in value:
                    source = [word for word in value.split() if not word.startswith("--")][0]
                    self.assertTrue((context / source).exists(), f"{path}: {source}")

    def test_ignore_file_keeps_what_the_build_needs(self):
        kept = [line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines()
                if line.startswith("!")]
        rooms = re.search(r"(?m)^ROOMS\s*:= (.*)$", (ROOT / "Makefile").read_text()).group(1)
        self.assertEqual(set(), {"Makefile", *rooms.split()} - set(kept))
        with tempfile.TemporaryDirectory(prefix="firn-image-") as temp:
            for name in kept:
                target = Path(temp) / name
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, target)
                else:
                    target.parent.mkdir(exist_ok=True)
                    shutil.copy(ROOT / name, target)
            done = subprocess.run(["make", "-n", "PREPARE="], cwd=temp, capture_output=True)
            self.assertEqual(0, done.returncode, done.stderr.decode())

    def test_jars(self):
        tree = xml.etree.ElementTree.parse(DOCKER / "flink" / "pom.xml")
        space = {"m": "http://maven.apache.org/POM/4.0.0"}
        found = {d.find("m:artifactId", space).text: d.find("m:version", space).text
                 for d in tree.iterfind(".//m:dependency", space)}
        image = re.search(r"FROM flink:(\d+\.\d+)", (DOCKER / "flink" / "Dockerfile").read_text())
        self.assertIn("iceberg-flink-runtime-" + image.group(1), found)
        self.assertTrue(found["flink-connector-kafka"].endswith("-" + image.group(1)))

    def test_statements_for_flink(self):
        text = (DOCKER / "flink" / "stream.sql").read_text()
        block = snippets.Block(None, 0, "sql", "check", None, text, None)
        self.assertEqual(6, len(snippets.statements([block])))


class Notebooks(unittest.TestCase):
    def code(self, name):
        document = json.loads((DOCKER / "notebook" / "notebooks" / f"{name}.ipynb").read_text())
        self.assertEqual(4, document["nbformat"])
        return "\n".join("".join(cell["source"]) for cell in document["cells"]
                         if cell["cell_type"] == "code")

    def run_code(self, name, client):
        with tempfile.TemporaryDirectory(prefix="firn-notebook-") as temp:
            server = Server(os.path.join(temp, "data")).start()
            try:
                done = subprocess.run([client_python(client), "-c", self.code(name)],
                                      env=environment({"FIRN_URI": server.url}), cwd=temp,
                                      capture_output=True, timeout=300)
                self.assertEqual(0, done.returncode, done.stderr.decode()[-3000:])
            finally:
                server.close()

    def test_syntax(self):
        for path in sorted((DOCKER / "notebook" / "notebooks").glob("*.ipynb")):
            ast.parse(self.code(path.stem))

    def test_pyiceberg(self):
        self.run_code("pyiceberg", "pyiceberg")

    def test_duckdb(self):
        self.run_code("duckdb", "duckdb")


if __name__ == "__main__":
    unittest.main()
