"""As much of an S3 store as a catalog needs, played in memory: any key is let in, nothing is checked.
What stores really do is tested by the suite s3."""
import hashlib
import http.server
import threading
import urllib.parse
import xml.sax.saxutils


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def target(self):
        url = urllib.parse.urlsplit(self.path)
        return urllib.parse.unquote(url.path), urllib.parse.parse_qs(url.query, keep_blank_values=True)

    def do_PUT(self):
        path, _ = self.target()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("If-None-Match") and path in self.server.files:
            return self.answer(412)
        self.server.files[path] = body
        return self.answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_GET(self):
        path, query = self.target()
        if "list-type" in query:
            return self.list(path, query.get("prefix", [""])[0])
        body = self.server.files.get(path)
        if body is None:
            return self.answer(404)
        return self.answer(200, body, ETag=f'"{hashlib.md5(body).hexdigest()}"',
                           Last_Modified="Wed, 25 Nov 2026 00:00:00 GMT")

    do_HEAD = do_GET

    def list(self, path, prefix):
        bucket = path.strip("/")
        found = sorted(p[len(bucket) + 2:] for p in self.server.files
                       if p.startswith(f"/{bucket}/{prefix}"))
        contents = "".join(f"<Contents><Key>{xml.sax.saxutils.escape(key)}</Key><Size>1</Size>"
                           "<LastModified>2026-11-25T00:00:00.000Z</LastModified></Contents>"
                           for key in found)
        return self.answer(200, (f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false"
                                 f"</IsTruncated>{contents}</ListBucketResult>").encode())

    def do_DELETE(self):
        self.server.files.pop(self.target()[0], None)
        self.answer(204)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(501)


class PlayedStore:
    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.files = {}
        self.files = self.server.files
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
