"""What the stores of the tests have in common: a directory, free ports, processes that end with the
test, and a few requests in the S3 language to make buckets and to look at objects."""
import contextlib
import ctypes
import datetime
import hashlib
import hmac
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

WAIT_SECONDS = 120  # for a store to start: a ceiling, not an expectation
BUCKET = "firn-test"
REGION = "us-east-1"


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            s = stack.enter_context(socket.socket())
            s.bind(("127.0.0.1", 0))
            sockets.append(s)
        return [s.getsockname()[1] for s in sockets]


def wait_for_port(port, process, seconds=WAIT_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def die_with_parent():
    """In a child: it is killed when the test is, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Store:
    """A store of S3's kind. Subclasses start the processes in `run`, called with the directory
    there, and set `endpoint`. Used as a context manager."""
    name = "store"
    access_key, secret_key = "AKSVC", "SKSVC"
    role = None

    def __init__(self):
        self.processes = []
        self.endpoint = None
        self.directory = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="firn-store-")
        try:
            self.run()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, command, name, **more):
        with open(os.path.join(self.directory, name + ".out"), "wb") as out:
            process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.STDOUT,
                                       start_new_session=True, preexec_fn=die_with_parent,
                                       **more)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes = []
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def s3(self):
        return S3(self.endpoint, self.access_key, self.secret_key)

    def environment(self):
        """What the C tests look for."""
        values = {"FIRN_TEST_S3": self.name, "FIRN_TEST_S3_ENDPOINT": self.endpoint,
                  "FIRN_TEST_S3_ACCESS_KEY": self.access_key,
                  "FIRN_TEST_S3_SECRET_KEY": self.secret_key, "FIRN_TEST_S3_BUCKET": BUCKET,
                  "FIRN_TEST_S3_REGION": REGION}
        if self.role:
            values["FIRN_TEST_S3_ROLE"] = self.role
        return values


class S3:
    """Requests signed with Signature Version 4; replies as (status, headers, body)."""

    def __init__(self, endpoint, access_key, secret_key, token=None, region=REGION, service="s3"):
        self.url = urllib.parse.urlsplit(endpoint)
        self.access_key, self.secret_key, self.token = access_key, secret_key, token
        self.region, self.service = region, service

    def request(self, method, path, query=None, body=b"", headers=None):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        quoted = urllib.parse.quote(path, safe="/-_.~")
        text = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                        for k, v in sorted((query or {}).items()))
        sent = {"host": self.url.netloc, "x-amz-date": now,
                "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
        if self.token:
            sent["x-amz-security-token"] = self.token
        sent.update({k.lower(): v for k, v in (headers or {}).items()})
        names = sorted(sent)
        canonical = "\n".join([method, quoted, text,
                               *(f"{name}:{sent[name].strip()}" for name in names), "",
                               ";".join(names), sent["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{self.region}/{self.service}/aws4_request"
        key = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                             hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        sent["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
                                 f"SignedHeaders={';'.join(names)}, Signature={signature}")
        connection = http.client.HTTPConnection(self.url.netloc, timeout=60)
        try:
            connection.request(method, quoted + ("?" + text if text else ""), body=body or None,
                               headers=sent)
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def make_bucket(self, name=BUCKET):
        status, _, body = self.request("PUT", "/" + name)
        if status not in (200, 409):
            raise RuntimeError(f"no bucket: {status} {body!r}")

    def put(self, key, body, bucket=BUCKET, **headers):
        return self.request("PUT", f"/{bucket}/{key}", body=body, headers=headers)

    def get(self, key, bucket=BUCKET):
        return self.request("GET", f"/{bucket}/{key}")

    def delete(self, key, bucket=BUCKET):
        return self.request("DELETE", f"/{bucket}/{key}")

    def keys(self, prefix="", bucket=BUCKET):
        found, token = [], None
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            status, _, body = self.request("GET", "/" + bucket, query)
            if status != 200:
                raise RuntimeError(f"no list: {status} {body!r}")
            root = ElementTree.fromstring(body)
            space = root.tag[:root.tag.index("}") + 1] if root.tag.startswith("{") else ""
            found += [e.findtext(space + "Key") for e in root.iter(space + "Contents")]
            token = root.findtext(space + "NextContinuationToken")
            if root.findtext(space + "IsTruncated") != "true":
                return found
