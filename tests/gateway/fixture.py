"""A firn with a warehouse behind the gateway, its keys, clients, and a signer that can sign what no
client would send."""
import datetime
import hashlib
import hmac
import http.client
import os
import re
import shutil
import socket
import tempfile
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections import namedtuple
from pathlib import Path

from tests.harness import Server, run_firn

ADMIN = ("ADMINKEY", "admin-secret-canary")
READER = ("READERKEY", "reader-secret-canary")  # of lake, below t1/
WRITER = ("WRITERKEY", "writer-secret-canary")  # of lake, below t1/
OTHER = ("OTHERKEY", "other-secret-canary")     # of another bucket
REGION = "us-east-1"
EMPTY = hashlib.sha256(b"").hexdigest()
Answer = namedtuple("Answer", "status headers body code")


class GatewayServer(Server):
    """`lake` and `pond` are buckets, `default` is none."""

    def __init__(self, args=(), **kwargs):
        self.place = tempfile.mkdtemp(prefix="firn-test-")
        keys = os.path.join(self.place, "keys")
        with open(os.open(keys, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
            out.write("# id:secret:warehouse:prefix:rights\n"
                      f"{':'.join(ADMIN)}:*::rw\n{':'.join(READER)}:lake:t1/:r\n"
                      f"{':'.join(WRITER)}:lake:t1/:rw\n{':'.join(OTHER)}:pond::rw\n")
        data = os.path.join(self.place, "data")
        super().__init__(data, args=["--gateway-key-file", keys, *args], **kwargs)
        for name in ("lake", "pond"):
            status, _, err = run_firn("warehouse", "create", name, "--access", "gateway",
                                      "--location", f"file://{self.place}/{name}", "--data", data)
            assert status == 0, err

    def path(self, key, bucket="lake"):
        return Path(self.place) / bucket / key

    def files(self, bucket="lake"):
        """Every file there is, also those that no listing shows."""
        root = Path(self.place) / bucket
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())

    def close(self):
        try:
            super().close()
        finally:
            shutil.rmtree(self.place, ignore_errors=True)


class GatewayTest(unittest.TestCase):
    """One server for the tests of a class."""
    args = ()

    @classmethod
    def setUpClass(cls):
        cls.server = GatewayServer(cls.args).start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.close()

    def call(self, method, path, body=b"", key=ADMIN, **options):
        return call(self.server, method, path, body, key, **options)

    def refused(self, status, code, method, path, body=b"", key=ADMIN, **options):
        """The exact error, and no file made, changed or left behind."""
        before = {name: self.server.path(name).read_bytes() for name in self.server.files()}
        answer = self.call(method, path, body, key, **options)
        self.assertEqual((status, code), (answer.status, answer.code), answer)
        after = {name: self.server.path(name).read_bytes() for name in self.server.files()}
        self.assertEqual(before, after)
        for secret in (ADMIN, READER, WRITER, OTHER):
            self.assertNotIn(secret[1].encode(), answer.body)
        self.assertNotIn(self.server.place.encode(), answer.body)
        return answer

    def put(self, key, body=b"content"):
        answer = self.call("PUT", "/lake/" + key, body)
        self.assertEqual(200, answer.status, answer)
        return answer.headers["etag"]


# ---- signing ------------------------------------------------------------------------------------

def now():
    return datetime.datetime.now(datetime.timezone.utc)


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, day, service="s3"):
    return mac(mac(mac(mac(b"AWS4" + secret.encode(), day), REGION), service), "aws4_request")


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


class Signer:
    """Signature Version 4, written from its description, for one request."""

    def __init__(self, method, target, headers, key, when=None, service="s3", unsigned=()):
        self.time = (when or now()).strftime("%Y%m%dT%H%M%SZ")
        self.method, self.key, self.service = method, key, service
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.unsigned = {name.lower() for name in unsigned}
        self.scope = f"{self.time[:8]}/{REGION}/{service}/aws4_request"

    def signature_of(self, query, names, payload):
        canonical = "\n".join([
            self.method,
            urllib.parse.quote(urllib.parse.unquote_to_bytes(self.path), safe="/-_.~"),
            "&".join(sorted(query)), *(f"{n}:{' '.join(self.value(n).split())}" for n in names),
            "", ";".join(names), payload])
        text = "\n".join(["AWS4-HMAC-SHA256", self.time, self.scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        self.secret = signing_key(self.key[1], self.time[:8], self.service)
        return mac(self.secret, text).hex()

    def value(self, name):
        return next(v for n, v in self.headers.items() if n.lower() == name)

    def items(self, text):
        return [f"{quote(urllib.parse.unquote(n))}={quote(urllib.parse.unquote(v))}"
                for n, _, v in (item.partition("=") for item in text.split("&") if item)]

    def sign(self):
        self.headers["x-amz-date"] = self.time
        names = sorted({n.lower() for n in self.headers} - self.unsigned)
        self.signature = self.signature_of(self.items(self.query), names,
                                           self.headers["x-amz-content-sha256"])
        self.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key[0]}/{self.scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={self.signature}")
        return self

    def presign(self, expires=60, extra=""):
        names = sorted({n.lower() for n in self.headers} - self.unsigned)
        query = (f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
                 f"{quote(self.key[0] + '/' + self.scope)}&X-Amz-Date={self.time}"
                 f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders={quote(';'.join(names))}{extra}")
        self.query = f"{self.query}&{query}" if self.query else query
        signature = self.signature_of(self.items(self.query), names, "UNSIGNED-PAYLOAD")
        return f"{self.path}?{self.query}&X-Amz-Signature={signature}"

    def chunk(self, previous, data):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.time, self.scope, previous, EMPTY,
                          hashlib.sha256(data).hexdigest()])
        return mac(self.secret, text).hex()

    def trailer(self, previous, lines):
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.time, self.scope, previous,
                          hashlib.sha256(lines).hexdigest()])
        return mac(self.secret, text).hex()


def code_of(body):
    if not body.startswith(b"<?xml"):
        return None
    root = ElementTree.fromstring(body)
    return root.findtext("Code") if root.tag == "Error" else None


def send(server, method, target, headers, body=b""):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body or method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        reply = connection.getresponse()
        data = reply.read()
        return Answer(reply.status, {n.lower(): v for n, v in reply.getheaders()}, data,
                      code_of(data))
    finally:
        connection.close()


def call(server, method, path, body=b"", key=ADMIN, headers=None, payload=None, late=None,
         base="/s3", sign=True, **signer):
    """One signed request. `late`: headers that are added after it was signed."""
    all_headers = {"Host": f"{server.host}:{server.port}",
                   "x-amz-content-sha256": payload or hashlib.sha256(body).hexdigest()}
    all_headers.update(headers or {})
    if sign:
        Signer(method, base + path, all_headers, key, **signer).sign()
    all_headers.update(late or {})
    return send(server, method, base + path, all_headers, body)


def raw(server, data, half_close=True):
    """Bytes as they are; what comes back until the server closes."""
    with socket.create_connection((server.host, server.port), 60) as s:
        s.sendall(data)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                return answer
            answer += piece


def xml_texts(body, name):
    return re.findall(f"<{name}>([^<]*)</{name}>".encode(), body)
