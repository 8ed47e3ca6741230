#!/usr/bin/env python3
"""Ceph's S3 gateway on this machine: one monitor, one object server in memory, the gateway with STS.

    tests/stores/radosgw.py [COMMAND ...]   runs the command with FIRN_TEST_S3_* set; without one,
                                            prints them and stays until it is interrupted

Needs what `tools/prepare stores` installs. It checks signatures and policies. Users: `AKADMIN` may
make roles, `AKSVC` owns the bucket and may take the role."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)
from tests.stores import store

GATEWAY = "client.rgw.a"
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
MEMORY_BYTES = 2 << 30
# Found out by starting it: without authentication each daemon must be told to be content with
# checksums on its connections, else the gateway gives up.
CONFIG = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon2}/0,v1:127.0.0.1:{mon1}/0]
{modes}
osd_objectstore = memstore
memstore_device_bytes = {memory}
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data = {dir}/mon
osd_data = {dir}/osd
run_dir = {dir}/run
crash_dir = {dir}/crash
keyring = {dir}/keyring
log_file = {dir}/log/$name.log
admin_socket = {dir}/run/$name.$pid.asok
[osd]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_data = {dir}/rgw
rgw_dns_name = localhost
rgw_sts_key = sixteen--letters
rgw_s3_auth_use_sts = true
rgw_enable_lc_threads = false
rgw_dynamic_resharding = false
rgw_gc_obj_min_wait = 0
rgw_gc_processor_period = 10
rgw_gc_processor_max_time = 10
rgw_relaxed_region_enforcement = true
"""
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/svc"]},
     "Action": ["sts:AssumeRole"]}]}
EVERYTHING = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}]}


def is_installed():
    return all(shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
               for name in PROGRAMS)


class Radosgw(store.Store):
    name = "radosgw"
    admin_key, admin_secret = "AKADMIN", "SKADMIN"
    role = "arn:aws:iam:::role/R1"

    def call(self, *command, check=True, seconds=60):
        return subprocess.run(command, cwd=self.directory, env=self.env, check=check,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=seconds).stdout.decode()

    def until(self, wanted):
        deadline = time.monotonic() + store.WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                if wanted in self.call("ceph", "-s", check=False, seconds=20):
                    return
            except subprocess.TimeoutExpired:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"Ceph does not get ready; see {self.directory}/log")

    def configure(self):
        directory = self.directory
        for name in ("run", "log", "mon", "osd", "rgw", "crash"):
            os.mkdir(os.path.join(directory, name))
        self.fsid = str(uuid.uuid4())
        self.port, mon1, mon2 = store.free_ports(3)
        self.monitors = f"[v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]"
        modes = [f"auth_{side}_required = none" for side in ("cluster", "service", "client")]
        modes += [f"ms_{side}_mode = crc" for side in (
            "mon_client", "mon_service", "mon_cluster", "client", "service", "cluster")]
        path = os.path.join(directory, "ceph.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(fsid=self.fsid, mon1=mon1, mon2=mon2, port=self.port,
                                    modes="\n".join(modes), memory=MEMORY_BYTES, dir=directory))
        self.env = {**os.environ, "CEPH_CONF": path,
                    "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}

    def run(self):
        self.configure()
        self.call("monmaptool", "--create", "--clobber", "--addv", "a", self.monitors, "--fsid",
                  self.fsid, "monmap")
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--mon-data", "mon")
        self.spawn(["ceph-mon", "-f", "-i", "a", "--mon-data", "mon"], "mon", env=self.env)
        self.until("cluster:")
        osd = str(uuid.uuid4())
        self.call("ceph", "osd", "new", osd)
        self.call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "--osd-data", "osd")
        self.spawn(["ceph-osd", "-f", "-i", "0", "--osd-data", "osd"], "osd", env=self.env)
        self.until("1 up")
        gateway = self.spawn(["radosgw", "-f", "-n", GATEWAY, "--rgw-data", "rgw"], "rgw",
                             env=self.env)
        store.wait_for_port(self.port, gateway)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.make_users()
        self.s3().make_bucket()

    def admin(self, *command):
        self.call("radosgw-admin", "-n", GATEWAY, *command)

    def make_users(self):
        self.admin("user", "create", "--uid=admin", "--display-name=admin",
                   f"--access-key={self.admin_key}", f"--secret-key={self.admin_secret}")
        self.admin("caps", "add", "--uid=admin", "--caps=roles=*;user-policy=*")
        self.admin("user", "create", "--uid=svc", "--display-name=svc",
                   f"--access-key={self.access_key}", f"--secret-key={self.secret_key}")
        self.admin("role", "create", "--role-name=R1", "--path=/",
                   "--assume-role-policy-doc=" + json.dumps(TRUST, separators=(",", ":")))
        self.admin("role-policy", "put", "--role-name=R1", "--policy-name=all",
                   "--policy-doc=" + json.dumps(EVERYTHING, separators=(",", ":")))


def main(make, arguments):
    if make is Radosgw and not is_installed():
        print("skipped: Ceph's gateway is not installed: tools/prepare stores\n"
              "[  SKIPPED ] 1 test(s)\n0 passed, 0 failed, 1 skipped")
        return 0
    with make() as there:
        if arguments:
            return subprocess.run(arguments, check=False,
                                  env={**os.environ, **there.environment()}).returncode
        for name, value in there.environment().items():
            print(f"export {name}={value}", flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):  # ignored in the background of a shell
            signal.signal(number, signal.default_int_handler)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main(Radosgw, sys.argv[1:]))
