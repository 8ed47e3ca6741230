#!/usr/bin/env python3
"""moto's imitation of S3 and STS on this machine: fast, in memory, and content with any signature.

    tests/stores/moto.py [COMMAND ...]   as radosgw.py

It lives in a Python environment of its own (tests/clients/venv.sh moto)."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)
from tests.stores import radosgw, store


class Moto(store.Store):
    name = "moto"
    role = "arn:aws:iam::123456789012:role/R1"

    def run(self):
        done = subprocess.run([str(ROOT / "tests" / "clients" / "venv.sh"), "moto"],
                              stdout=subprocess.PIPE, check=True)
        program = Path(done.stdout.decode().strip()) / "bin" / "moto_server"
        [port] = store.free_ports(1)
        process = self.spawn([str(program), "-H", "127.0.0.1", "-p", str(port)], "moto")
        store.wait_for_port(port, process)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.s3().make_bucket()


if __name__ == "__main__":
    sys.exit(radosgw.main(Moto, sys.argv[1:]))
