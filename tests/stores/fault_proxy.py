"""An HTTP proxy in front of a store that fails as it is told: refuses, hangs, cuts a connection before
or after the store has done what was asked, or cuts the body on its way there.

    with FaultProxy(store.endpoint) as proxy:
        proxy.fail("PUT", "metadata", "cut_after", times=1)
        ...
        proxy.seen("PUT")    # [(method, path, action, the store's status or None), ...]

Actions: ("answer", STATUS) without asking the store; "cut_before"; "cut_after", the reply is lost;
("answer_after", STATUS), the store did it and its reply is replaced; ("cut_body", BYTES) of the
request; "hang" until `release` or the end; ("reply_bytes", N), the reply's body is cut after N bytes.
"""
import contextlib
import http.client
import socketserver
import threading
import urllib.parse


class Cut(Exception):
    """The connection to the client ends here, without another word."""


class Rule:
    def __init__(self, method, part, action, times):
        self.method, self.part, self.action, self.left = method, part, action, times

    def takes(self, method, path):
        if self.left == 0 or self.method not in ("*", method) or self.part not in path:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(Cut, OSError, http.client.HTTPException):
            while self.exchange():
                pass

    def read_request(self):
        line = self.rfile.readline(65537)
        if not line:
            return None
        method, target, _ = line.decode("latin-1").split()
        headers = []
        while (line := self.rfile.readline(65537)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        return method, target, headers

    def read_body(self, headers):
        values = {name.lower(): value for name, value in headers}
        if values.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(values.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise Cut
        return body

    def exchange(self):
        request = self.read_request()
        if request is None:
            return False
        method, target, headers = request
        path = urllib.parse.unquote(target)
        kind, value = self.server.proxy.action_of(method, path)
        note = self.server.proxy.note
        if kind == "hang":
            note(method, path, kind, None)
            self.server.proxy.released.wait()
            raise Cut
        body = self.read_body(headers)
        if kind in ("cut_before", "answer"):
            note(method, path, kind, None)
            if kind == "cut_before":
                raise Cut
            return self.answer(value, [("Content-Length", "0")], b"", method)
        if kind == "cut_body":
            note(method, path, kind, None)
            self.forward_part(method, target, headers, body[:value])
            raise Cut
        status, reply_headers, reply = self.forward(method, target, headers, body)
        note(method, path, kind, status)
        if kind == "cut_after":
            raise Cut
        if kind == "answer_after":
            return self.answer(value, [("Content-Length", "0")], b"", method)
        self.answer(status, reply_headers, reply if kind != "reply_bytes" else reply[:value], method)
        if kind == "reply_bytes":
            raise Cut
        return True

    def connect(self, method, target, headers):
        connection = http.client.HTTPConnection(self.server.proxy.upstream, timeout=60)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in ("expect", "connection"):
                connection.putheader(name, value)
        connection.endheaders()
        return connection

    def forward_part(self, method, target, headers, body):
        connection = self.connect(method, target, headers)
        connection.send(body)
        connection.close()

    def forward(self, method, target, headers, body):
        connection = self.connect(method, target, headers)
        try:
            if body:
                connection.send(body)
            reply = connection.getresponse()
            content = reply.read()
            kept = [(n, v) for n, v in reply.getheaders() if n.lower() not in (
                "transfer-encoding", "connection", "content-length")]
            length = reply.getheader("Content-Length")
            if method != "HEAD":
                length = str(len(content))
            if length is not None and reply.status != 204:
                kept.append(("Content-Length", length))
            return reply.status, kept, content
        finally:
            connection.close()

    def answer(self, status, headers, body, method):
        head = f"HTTP/1.1 {status} Answer\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers)
        self.wfile.write(head.encode("latin-1") + b"\r\n" + (b"" if method == "HEAD" else body))
        return True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # connections that end early are what this is for


class FaultProxy:
    def __init__(self, upstream):
        self.upstream = urllib.parse.urlsplit(upstream).netloc
        self.lock = threading.Lock()
        self.rules, self.log = [], []
        self.released = threading.Event()

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.proxy = self
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.release()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def fail(self, method, part, action, times=None):
        """The next `times` requests (None: all) of that method ("*": any) whose decoded path and
        query hold `part`."""
        with self.lock:
            self.rules.append(Rule(method, part, action, times))

    def heal(self):
        with self.lock:
            self.rules = []

    def release(self):
        """Ends what hangs."""
        self.heal()
        self.released.set()

    def action_of(self, method, path):
        with self.lock:
            for rule in self.rules:
                if rule.takes(method, path):
                    return rule.action if isinstance(rule.action, tuple) else (rule.action, None)
        return "pass", None

    def note(self, *entry):
        with self.lock:
            self.log.append(entry)

    def seen(self, method, part=""):
        with self.lock:
            return [entry for entry in self.log if entry[0] == method and part in entry[1]]

    def forget(self):
        with self.lock:
            self.log = []
