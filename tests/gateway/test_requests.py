"""Requests as no client would send them: who asks (X01, X02, X05), what may be named, lies about
bodies (X03), scopes (X04, X08, X09); each the exact status and code, and nothing written."""
import base64
import datetime
import hashlib
import unittest
import zlib

from tests.gateway.fixture import (ADMIN, EMPTY, OTHER, READER, WRITER, GatewayTest, Signer, now,
                                   raw, send, xml_texts)

MINUTE = datetime.timedelta(minutes=1)
UNSIGNED = "UNSIGNED-PAYLOAD"


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class WhoAsks(GatewayTest):
    def test_nobody(self):
        for method, path in (("GET", "/"), ("GET", "/lake"), ("GET", "/lake/t1/a"),
                             ("PUT", "/lake/t1/a"), ("POST", "/lake?delete"), ("GET", "/nope")):
            self.refused(403, "AccessDenied", method, path, sign=False)

    def test_wrong_keys(self):
        self.refused(403, "InvalidAccessKeyId", "PUT", "/lake/t1/a", b"x", ("NOBODY", "x" * 20))
        self.refused(403, "SignatureDoesNotMatch", "PUT", "/lake/t1/a", b"x", (ADMIN[0], "wrong"))
        self.refused(400, "InvalidToken", "PUT", "/lake/t1/a", b"x",
                     headers={"x-amz-security-token": "forged"})

    def test_clocks(self):
        for minutes in (-16, 16):
            self.refused(403, "RequestTimeTooSkewed", "PUT", "/lake/t1/a", b"x",
                         when=now() + minutes * MINUTE)
        self.assertEqual(200, self.call("PUT", "/lake/t1/skew", b"x", when=now() - 14 * MINUTE).status)

    def test_headers_that_are_not_signed(self):
        self.put("t1/mine")
        for name in ("x-amz-copy-source", "X-Amz-Meta-a", "x-amz-acl"):
            self.refused(403, "AccessDenied", "PUT", "/lake/t1/a", b"x",
                         late={name: "/lake/t1/mine"})
        self.refused(403, "AccessDenied", "PUT", "/lake/t1/a", b"x", unsigned=["host"])

    def test_what_is_signed_is_what_counts(self):
        self.refused(403, "SignatureDoesNotMatch", "PUT", "/lake/t1/a", b"x", late={"Host": "evil"})
        self.refused(400, "AuthorizationHeaderMalformed", "GET", "/lake/t1/a", service="sts")
        self.refused(400, "XAmzContentSHA256Mismatch", "PUT", "/lake/t1/a", b"x",
                     payload=hashlib.sha256(b"y").hexdigest())

    def test_presigned(self):
        self.put("t1/pre", b"presigned")
        host = {"Host": f"{self.server.host}:{self.server.port}"}

        def get(target, headers=host, method="GET"):
            answer = send(self.server, method, target, headers)
            return answer.status, answer.code

        def target(method="GET", when=None, **options):
            return Signer(method, "/s3/lake/t1/pre", dict(host), ADMIN, when).presign(**options)

        good = target()
        self.assertEqual((200, None), get(good))
        self.assertEqual((403, "SignatureDoesNotMatch"), get(good, method="PUT"))
        self.assertEqual((403, "SignatureDoesNotMatch"), get(good.replace("/pre", "/prf")))
        self.assertEqual((403, "SignatureDoesNotMatch"), get(good.replace("Expires=60", "Expires=61")))
        self.assertEqual((403, "AccessDenied"), get(target(when=now() - 2 * MINUTE)))
        self.assertEqual((400, "AuthorizationQueryParametersError"), get(target(expires=604801)))
        self.assertEqual((400, "AuthorizationQueryParametersError"), get(target(extra="&X-Amz-Expires=9")))
        self.assertEqual((403, "AccessDenied"), get(good, {**host, "x-amz-acl": "private"}))
        self.assertEqual((400, "InvalidArgument"),
                         get(good, {**host, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}))

    def test_presigned_by_version_2(self):
        old = "/s3/lake/t1/pre?AWSAccessKeyId=A&Signature=c2lnbmF0dXJl&Expires=9999999999"
        answer = send(self.server, "GET", old, {"Host": f"{self.server.host}:{self.server.port}"})
        self.assertEqual((400, "InvalidRequest"), (answer.status, answer.code))
        self.assertIn(b"AWS4-HMAC-SHA256", answer.body)

    def test_the_catalogs_paths_stay_its_own(self):
        self.assertEqual(200, self.server.client().get("/v1/config").status)
        self.assertEqual(404, self.server.client().get("/lake/t1/a").status)  # JSON, by check_reply

    def test_without_a_path(self):
        self.put("t1/root", b"root")
        self.assertEqual(b"root", self.call("GET", "/lake/t1/root", base="").body)
        self.refused(404, "NoSuchBucket", "GET", "/v1/config", base="")


class Scopes(GatewayTest):
    def test_prefixes(self):
        for key in ("t1/a", "t10/a", "t2/a"):
            self.put(key, key.encode())
        self.assertEqual(b"t1/a", self.call("GET", "/lake/t1/a", key=READER).body)
        for path in ("/lake/t2/a", "/lake/t10/a", "/lake/t1", "/lake/nope"):
            self.refused(403, "AccessDenied", "GET", path, key=READER)
        for key in (READER, OTHER):
            self.refused(403, "AccessDenied", "PUT", "/lake/t1/a", b"x", key)
            self.refused(403, "AccessDenied", "DELETE", "/lake/t1/a", key=key)
            self.refused(403, "AccessDenied", "POST", "/lake/t1/a?uploads", key=key)
        for key, path, why in ((READER, "/lake/t1/a", b"for reading only"),
                               (WRITER, "/lake/t10/a", b"does not reach there")):
            self.assertIn(why, self.refused(403, "AccessDenied", "PUT", path, b"x", key).body)
        self.assertEqual(200, self.call("PUT", "/lake/t1/new", b"x", WRITER).status)

    def test_buckets(self):
        self.assertEqual([b"lake"], xml_texts(self.call("GET", "/", key=READER).body, "Name"))
        self.assertEqual([b"lake", b"pond"], xml_texts(self.call("GET", "/").body, "Name"))
        for bucket in ("pond", "default", "nope"):  # no difference
            self.refused(403, "AccessDenied", "GET", f"/{bucket}/t1/a", key=READER)
        for bucket in ("default", "nope"):
            self.refused(404, "NoSuchBucket", "GET", f"/{bucket}?list-type=2")

    def test_listing_shows_what_is_allowed(self):
        for key in ("t1/a", "t1/b/c", "t10/a", "t2/a"):
            self.put(key)
        listing = self.call("GET", "/lake?list-type=2", key=READER)
        self.assertTrue(all(k.startswith(b"t1/") for k in xml_texts(listing.body, "Key")), listing)
        rolled = self.call("GET", "/lake?list-type=2&delimiter=%2F", key=READER)
        self.assertEqual([b"t1/"], xml_texts(rolled.body, "Prefix")[1:])
        for prefix in ("t2/", "t10", "x"):
            self.refused(403, "AccessDenied", "GET", f"/lake?list-type=2&prefix={prefix}", key=READER)
        for prefix in ("t1/../t2/", "t1//", "t1/./"):
            answer = self.call("GET", f"/lake?list-type=2&prefix={prefix}", key=READER)
            self.assertEqual((200, []), (answer.status, xml_texts(answer.body, "Key")))

    def test_copies_read_their_source(self):
        self.put("t2/secret", b"secret")
        self.put("t1/mine", b"mine")
        for source in ("/lake/t2/secret", "lake/t2/secret", "/pond/a", "/lake/t1/%2e%2e/t2/secret"):
            answer = self.call("PUT", "/lake/t1/stolen", key=WRITER,
                               headers={"x-amz-copy-source": source})
            self.assertIn(answer.code, ("AccessDenied", "InvalidArgument"), source)
        self.assertEqual(404, self.call("GET", "/lake/t1/stolen").status)
        answer = self.call("PUT", "/lake/t1/copy", key=WRITER,
                           headers={"x-amz-copy-source": "/lake/t1/mine"})
        self.assertEqual(200, answer.status)
        self.assertEqual(b"mine", self.call("GET", "/lake/t1/copy").body)

    def test_uploads_belong_to_who_began_them(self):
        begun = self.call("POST", "/lake/t1/parts?uploads", key=WRITER)
        [upload] = [u.decode() for u in xml_texts(begun.body, "UploadId")]
        part = f"?partNumber=1&uploadId={upload}"
        self.refused(404, "NoSuchUpload", "PUT", "/lake/t1/parts" + part, b"x", ADMIN)
        self.refused(404, "NoSuchUpload", "PUT", "/lake/t1/other" + part, b"x", WRITER)
        self.refused(404, "NoSuchUpload", "DELETE", f"/lake/t1/parts?uploadId={upload}", key=ADMIN)
        self.refused(404, "NoSuchUpload", "POST", f"/lake/t1/parts?uploadId={upload}",
                     b"<CompleteMultipartUpload/>", ADMIN)
        self.refused(404, "NoSuchUpload", "GET", f"/lake/t1/parts?uploadId={upload[:-1]}x", key=WRITER)
        self.assertEqual(200, self.call("PUT", "/lake/t1/parts" + part, b"x", WRITER).status)
        self.assertEqual(204, self.call("DELETE", f"/lake/t1/parts?uploadId={upload}", key=WRITER).status)

    def test_metadata_files_stay(self):
        key = "t1/metadata/00000-x.metadata.json"
        self.put(key, b"{}")
        self.refused(403, "AccessDenied", "PUT", "/lake/" + key, b"[]")
        self.refused(403, "AccessDenied", "DELETE", "/lake/" + key)
        self.put("t1/other", b"[]")
        self.refused(403, "AccessDenied", "PUT", "/lake/" + key,
                     headers={"x-amz-copy-source": "/lake/t1/other"})
        listed = f"<Delete><Object><Key>{key}</Key></Object><Object><Key>t1/other</Key></Object></Delete>"
        answer = self.call("POST", "/lake?delete", listed.encode())
        self.assertEqual([b"AccessDenied"], xml_texts(answer.body, "Code"))
        self.assertEqual(b"{}", self.server.path(key).read_bytes())
        self.assertFalse(self.server.path("t1/other").exists())

    def test_what_can_be_registered_is_guarded(self):
        """The catalog lets a table stand on any name that holds .metadata.json."""
        for name in ("00000-x.metadata.json.backup", "v1.metadata.json.zst"):
            key = "t1/metadata/" + name
            self.put(key, b"{}")
            self.refused(403, "AccessDenied", "PUT", "/lake/" + key, b"[]")
            self.refused(403, "AccessDenied", "DELETE", "/lake/" + key)
        self.put("t1/a.metadata.json/data", b"1")  # of a directory it says nothing
        self.put("t1/a.metadata.json/data", b"2")


class Names(GatewayTest):
    def test_keys_that_no_file_can_have(self):
        for key in ("t1/../x", "../x", "t1/..", "t1/./x", ".", "t1//x", "/x", "t1/%2e%2e/x", "t1/a%0ab",
                    "t1/a%5cb", "t1/a%3Fb", "t1/%252e%252e/x", "t1/%7f"):
            for method in ("PUT", "GET", "DELETE"):
                self.refused(400, "InvalidArgument", method, "/lake/" + key,
                             b"x" if method == "PUT" else b"")
        for key in ("t1/%00", "t1/%ff", "t1/%zz", "t1/%c0%ae"):
            self.refused(400, "InvalidURI", "PUT", "/lake/" + key, b"x")
        self.refused(400, "KeyTooLongError", "PUT", "/lake/" + "k" * 1025, b"x")

    def test_operations_that_are_not_there(self):
        self.put("t1/a")
        for query in ("acl", "policy", "versioning", "lifecycle", "cors", "tagging", "torrent",
                      "object-lock", "website", "publicAccessBlock", "versionId=1", "x=1",
                      "list-type=2&list-type=2", "response-content-type=text%2Fhtml"):
            for method, path in (("GET", "/lake/t1/a"), ("PUT", "/lake/t1/a"), ("DELETE", "/lake/t1/a"),
                                 ("PUT", "/lake"), ("DELETE", "/lake")):
                self.refused(501, "NotImplemented", method, f"{path}?{query}")

    def test_headers_that_ask_for_what_is_not_there(self):
        for name, value in (("x-amz-acl", "public-read"), ("x-amz-server-side-encryption", "AES256"),
                            ("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-tagging", "a=b"),
                            ("x-amz-grant-read", "id=x"), ("x-amz-website-redirect-location", "/x"),
                            ("x-amz-bypass-governance-retention", "true"), ("If-Match", "*"),
                            ("If-None-Match", '"x"')):
            self.refused(501, "NotImplemented", "PUT", "/lake/t1/a", b"x", headers={name: value})
        self.put("t1/a")
        self.refused(501, "NotImplemented", "DELETE", "/lake/t1/a", headers={"If-Match": '"x"'})

    def test_lists_to_remove(self):
        self.put("t1/a")
        many = "".join(f"<Object><Key>k{i}</Key></Object>" for i in range(1001))
        deep = "<a>" * 100 + "</a>" * 100
        bomb = '<!DOCTYPE d [<!ENTITY a "t1/a">]><Delete><Object><Key>&a;</Key></Object></Delete>'
        for body in (f"<Delete>{many}</Delete>", deep, bomb, "<Delete/>", "", "x",
                     "<Delete><Object><Key>t1/a</Key><Key>t1/b</Key></Object></Delete>",
                     "<Delete><Object/></Delete>", "<Remove><Object><Key>t1/a</Key></Object></Remove>"):
            self.refused(400, "MalformedXML", "POST", "/lake?delete", body.encode())
        one = b"<Delete><Object><Key>t1/a</Key></Object></Delete>"
        self.refused(400, "InvalidRequest", "POST", "/lake?delete", one, payload=UNSIGNED)

        def quotes(length):  # which the answer repeats, longer
            return b"<Delete>" + 1000 * (b"<Object><Key>" + length * b'"' + b"</Key></Object>") + b"</Delete>"

        self.refused(400, "KeyTooLongError", "POST", "/lake?delete", quotes(4000))
        answer = self.call("POST", "/lake?delete", quotes(1024), WRITER)
        self.assertEqual((200, {b"AccessDenied"}), (answer.status, set(xml_texts(answer.body, "Code"))))
        mixed = (b"<Delete><Object><Key>t1/../x</Key></Object><Object><Key>t1/a</Key></Object>"
                 b"<Object><Key>t1/v</Key><VersionId>1</VersionId></Object>"
                 b"<Object><Key>t2/a</Key></Object></Delete>")
        answer = self.call("POST", "/lake?delete", mixed, WRITER)
        self.assertEqual(200, answer.status)
        self.assertEqual([b"InvalidArgument", b"NotImplemented", b"AccessDenied"],
                         xml_texts(answer.body, "Code"))
        self.assertFalse(self.server.path("t1/a").exists())

    def test_parts(self):
        [upload] = [u.decode() for u in xml_texts(self.call("POST", "/lake/t1/p?uploads").body, "UploadId")]
        for number in ("0", "10001", "x", "-1"):
            self.refused(400, "InvalidArgument", "PUT", f"/lake/t1/p?partNumber={number}&uploadId={upload}", b"x")
        tags = {}
        for number in (1, 2):
            answer = self.call("PUT", f"/lake/t1/p?partNumber={number}&uploadId={upload}", b"%d" % number)
            tags[number] = answer.headers["etag"].replace('"', "&quot;")

        def complete(*parts):
            return ("<CompleteMultipartUpload>" + "".join(
                f"<Part><PartNumber>{n}</PartNumber><ETag>{t}</ETag></Part>" for n, t in parts)
                + "</CompleteMultipartUpload>").encode()

        path = f"/lake/t1/p?uploadId={upload}"
        self.refused(400, "InvalidPartOrder", "POST", path, complete((2, tags[2]), (1, tags[1])))
        self.refused(400, "InvalidPartOrder", "POST", path, complete((1, tags[1]), (1, tags[1])))
        self.refused(400, "InvalidPart", "POST", path, complete((1, tags[2])))
        self.refused(400, "InvalidPart", "POST", path, complete((1, tags[1]), (3, tags[1])))
        self.refused(400, "MalformedXML", "POST", path, complete())
        self.refused(400, "MalformedXML", "POST", path, b"<a")
        self.assertEqual(200, self.call("POST", path, complete((1, tags[1]), (2, tags[2]))).status)
        self.assertEqual(b"12", self.server.path("t1/p").read_bytes())
        self.refused(404, "NoSuchUpload", "POST", path, complete((1, tags[1])))


class Bodies(GatewayTest):
    DATA = b"0123456789" * 20000

    def test_checksums(self):
        wrong = crc32(b"other")
        for headers, code in (({"x-amz-checksum-crc32": wrong}, "BadDigest"),
                              ({"x-amz-checksum-crc32": "oops"}, "InvalidRequest"),
                              ({"x-amz-checksum-sha1": wrong}, "InvalidRequest"),
                              ({"Content-MD5": base64.b64encode(b"0" * 16).decode()}, "BadDigest"),
                              ({"Content-MD5": "x"}, "InvalidDigest")):
            for payload in (None, UNSIGNED):
                self.refused(400, code, "PUT", "/lake/t1/sum", self.DATA, headers=headers, payload=payload)
        answer = self.call("PUT", "/lake/t1/sum", self.DATA, payload=UNSIGNED,
                           headers={"x-amz-checksum-crc32": crc32(self.DATA)})
        self.assertEqual((200, crc32(self.DATA)), (answer.status, answer.headers["x-amz-checksum-crc32"]))

    def unsigned_trailer(self, wire, length, trailer="x-amz-checksum-crc32"):
        headers = {"x-amz-decoded-content-length": str(length), "Content-Encoding": "aws-chunked"}
        if trailer:
            headers["x-amz-trailer"] = trailer
        return dict(body=wire, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER", headers=headers)

    def test_unsigned_trailer(self):
        data, end = b"a" * 100, f"0\r\nx-amz-checksum-crc32:{crc32(b'a' * 100)}\r\n\r\n".encode()
        whole = b"64\r\n" + data + b"\r\n" + end
        cases = (
            ("BadDigest", b"64\r\n" + b"b" * 100 + b"\r\n" + end, 100),
            ("IncompleteBody", whole, 99), ("IncompleteBody", whole, 101),
            ("IncompleteBody", whole[:-20], 100), ("IncompleteBody", b"64\r\n" + data, 100),
            ("IncompleteBody", b"ffffffff\r\n" + data + b"\r\n" + end, 100),
            ("InvalidRequest", b"-64\r\n" + data + b"\r\n" + end, 100),
            ("InvalidRequest", b"63\r\n" + data + b"\r\n" + end, 100),
            ("InvalidRequest", whole + b"more", 100),
            ("MalformedTrailerError", whole.replace(b"crc32", b"crc32c"), 100),
            ("MalformedTrailerError", b"64\r\n" + data + b"\r\n0\r\n\r\n", 100),
            ("MalformedTrailerError", whole.replace(b"0\r\nx-amz", b"0\r\nx-amz-acl:x\r\nx-amz"), 100))
        for code, wire, length in cases:
            self.refused(400, code, "PUT", "/lake/t1/lie", **self.unsigned_trailer(wire, length))
        self.refused(411, "MissingContentLength", "PUT", "/lake/t1/lie", whole,
                     payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        self.refused(400, "InvalidRequest", "PUT", "/lake/t1/lie",
                     **self.unsigned_trailer(whole, 100, trailer="x-amz-acl"))
        answer = self.call("PUT", "/lake/t1/truth", **self.unsigned_trailer(whole, 100))
        self.assertEqual(200, answer.status, answer)
        self.assertEqual(data, self.server.path("t1/truth").read_bytes())

    def signed_chunks(self, data, tamper=None, trailer=False, cut=None):
        """(headers, body) of a PUT in signed chunks of 64 KiB; tamper(bytes) changes the wire."""
        mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        headers = {"Host": f"{self.server.host}:{self.server.port}", "x-amz-content-sha256": mode,
                   "x-amz-decoded-content-length": str(len(data)), "Content-Encoding": "aws-chunked"}
        if trailer:
            headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        signer = Signer("PUT", "/s3/lake/t1/signed", headers, ADMIN).sign()
        previous, body = signer.signature, b""
        for at in [*range(0, len(data), 65536), len(data)]:
            piece = data[at:at + 65536]
            previous = signer.chunk(previous, piece)
            body += b"%x;chunk-signature=%s\r\n%s%s" % (
                len(piece), previous.encode(), piece, b"" if trailer and not piece else b"\r\n")
        if trailer:
            line = f"x-amz-checksum-crc32:{crc32(data)}"
            seal = signer.trailer(previous, (line + "\n").encode())
            body += f"{line}\r\nx-amz-trailer-signature:{seal}\r\n\r\n".encode()
        return headers, (tamper(body) if tamper else body)

    def send_signed(self, **options):
        headers, body = self.signed_chunks(self.DATA, **options)
        return send(self.server, "PUT", "/s3/lake/t1/signed", headers, body)

    def test_signed_chunks(self):
        lies = ((lambda b: b.replace(b"5678", b"5679", 1), "SignatureDoesNotMatch", 403),
                (lambda b: b.replace(b"chunk-signature=", b"chunk-signatur3=", 1), "SignatureDoesNotMatch", 403),
                (lambda b: b[:-86], "IncompleteBody", 400))
        for trailer in (False, True):
            for tamper, code, status in lies:
                answer = self.send_signed(tamper=tamper, trailer=trailer)
                self.assertEqual((status, code), (answer.status, answer.code))
                self.assertNotIn("t1/signed", self.server.files())
        answer = self.send_signed(trailer=True, tamper=lambda b: b.replace(crc32(self.DATA).encode(), b"AAAAAA=="))
        self.assertEqual((403, "SignatureDoesNotMatch"), (answer.status, answer.code))
        for trailer in (False, True):
            answer = self.send_signed(trailer=trailer)
            self.assertEqual(200, answer.status, answer)
            self.assertEqual(self.DATA, self.server.path("t1/signed").read_bytes())

    def test_half_sent_bodies(self):
        before = self.server.files()
        headers = {"Host": f"{self.server.host}:{self.server.port}", "x-amz-content-sha256": UNSIGNED}
        Signer("PUT", "/s3/lake/t1/half", headers, ADMIN).sign()
        head = "PUT /s3/lake/t1/half HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items())
        for length in (1, 1 << 20, 1 << 30):
            raw(self.server, f"{head}Content-Length: {length + 10}\r\n\r\n".encode() + b"x" * min(length, 1 << 20))
        answer = raw(self.server, f"{head}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".encode())
        self.assertIn(b"MissingContentLength", answer)
        self.assertEqual(404, self.call("HEAD", "/lake/t1/half").status)
        self.server.stop()  # waits for what still runs
        self.assertEqual(before, self.server.files())
        self.server.start()

    def test_too_large(self):
        self.refused(400, "EntityTooLarge", "PUT", "/lake/t1/large", **self.unsigned_trailer(b"", 1 << 50))


class OnlySigned(GatewayTest):
    args = ["--gateway-unsigned-payload", "false"]

    def test_bodies_must_be_signed(self):
        self.refused(403, "AccessDenied", "PUT", "/lake/t1/a", b"x", payload=UNSIGNED)
        self.refused(403, "AccessDenied", "PUT", "/lake/t1/a", b"0\r\n\r\n",
                     payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                     headers={"x-amz-decoded-content-length": "0"})
        self.put("t1/a")
        self.assertEqual(200, self.call("GET", "/lake/t1/a", payload=UNSIGNED).status)
        self.assertEqual(EMPTY, hashlib.sha256(b"").hexdigest())


if __name__ == "__main__":
    unittest.main()
