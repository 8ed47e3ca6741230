"""boto3 and the AWS CLI on the gateway, over local disk: what each operation answers, in every way to
sign and to sum a body. Run by the environment `gateway` of tests/clients/venv.sh."""
import io
import itertools
import os
import subprocess
import sys
import tempfile
import unittest
from datetime import timedelta
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.gateway.fixture import ADMIN, GatewayTest, READER, REGION
from tests.harness import environment

MIB = 1 << 20


def client_of(server, key=ADMIN, base="/s3", **options):
    options.setdefault("retries", {"max_attempts": 0})
    return boto3.client("s3", endpoint_url=server.url + base, aws_access_key_id=key[0],
                        aws_secret_access_key=key[1], region_name=REGION,
                        config=Config(s3={"addressing_style": "path", **options.pop("s3", {})}, **options))


class Boto3(GatewayTest):
    def setUp(self):
        self.s3 = client_of(self.server)
        for name in self.server.files():
            self.server.path(name).unlink()

    def fails(self, status, code, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(Bucket="lake", **arguments)
        response = caught.exception.response
        self.assertEqual((status, code), (response["ResponseMetadata"]["HTTPStatusCode"],
                                          response["Error"]["Code"]))
        return response

    def body(self, key, **arguments):
        return self.s3.get_object(Bucket="lake", Key=key, **arguments)["Body"].read()

    def test_life_of_an_object(self):
        for base, key in itertools.product(("/s3", ""), ("t1/a", "t1/a b=c+d&é.txt", "ü")):
            s3 = client_of(self.server, base=base)
            put = s3.put_object(Bucket="lake", Key=key, Body=b"0123456789")
            head = s3.head_object(Bucket="lake", Key=key)
            got = s3.get_object(Bucket="lake", Key=key)
            self.assertEqual(b"0123456789", got["Body"].read())
            self.assertEqual((10, put["ETag"], put["ETag"]),
                             (head["ContentLength"], head["ETag"], got["ETag"]))
            self.assertEqual([key], [o["Key"] for o in s3.list_objects_v2(Bucket="lake")["Contents"]])
            self.assertEqual(b"0123456789", self.server.path(key).read_bytes())
            self.assertEqual(204, s3.delete_object(Bucket="lake", Key=key)["ResponseMetadata"]["HTTPStatusCode"])
            self.assertEqual(204, s3.delete_object(Bucket="lake", Key=key)["ResponseMetadata"]["HTTPStatusCode"])
            self.fails(404, "NoSuchKey", self.s3.get_object, Key=key)
            self.fails(404, "404", self.s3.head_object, Key=key)

    def test_ways_to_sum_and_sign(self):
        data = os.urandom(300000)
        for algorithm in ("CRC32", "SHA1", "SHA256", None):
            for signed, calculation in itertools.product((True, False), ("when_supported", "when_required")):
                s3 = client_of(self.server, s3={"payload_signing_enabled": signed},
                               request_checksum_calculation=calculation)
                chosen = {"ChecksumAlgorithm": algorithm} if algorithm else {}
                s3.put_object(Bucket="lake", Key="t1/sum", Body=io.BytesIO(data), **chosen)
                self.assertEqual(data, self.body("t1/sum"))

    def test_conditions(self):
        put = self.s3.put_object
        first = put(Bucket="lake", Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
        self.fails(412, "PreconditionFailed", put, Key="a", Body=b"2", IfNoneMatch="*")
        self.fails(412, "PreconditionFailed", put, Key="a", Body=b"2", IfMatch='"other"')
        second = put(Bucket="lake", Key="a", Body=b"2", IfMatch=first)["ETag"]
        self.fails(412, "PreconditionFailed", put, Key="a", Body=b"3", IfMatch=first)
        self.assertEqual(b"2", self.body("a"))
        self.assertNotEqual(first, second)
        get, head = self.s3.get_object, self.s3.head_object
        self.assertEqual(b"2", self.body("a", IfMatch=second))
        self.fails(412, "PreconditionFailed", get, Key="a", IfMatch=first)
        self.fails(412, "412", head, Key="a", IfMatch=first)
        self.fails(304, "304", get, Key="a", IfNoneMatch=second)
        self.fails(304, "304", head, Key="a", IfNoneMatch=second)
        modified = head(Bucket="lake", Key="a")["LastModified"]
        self.fails(304, "304", get, Key="a", IfModifiedSince=modified)
        self.fails(412, "PreconditionFailed", get, Key="a", IfUnmodifiedSince=modified - timedelta(hours=1))
        self.assertEqual(b"2", self.body("a", IfUnmodifiedSince=modified))

    def test_ranges(self):
        self.s3.put_object(Bucket="lake", Key="a", Body=b"0123456789")
        self.s3.put_object(Bucket="lake", Key="empty", Body=b"")
        for header, expected, told in (("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=7-", b"789", "bytes 7-9/10"),
                                       ("bytes=-2", b"89", "bytes 8-9/10"), ("bytes=5-99", b"56789", "bytes 5-9/10")):
            got = self.s3.get_object(Bucket="lake", Key="a", Range=header)
            self.assertEqual((206, told, expected), (got["ResponseMetadata"]["HTTPStatusCode"],
                                                     got["ContentRange"], got["Body"].read()))
            self.assertEqual(told, self.s3.head_object(Bucket="lake", Key="a", Range=header)["ContentRange"])
        self.fails(416, "InvalidRange", self.s3.get_object, Key="a", Range="bytes=10-")
        self.fails(416, "InvalidRange", self.s3.get_object, Key="empty", Range="bytes=0-1")
        self.assertEqual(b"", self.body("empty"))

    def test_listings(self):
        keys = sorted([f"d/{i:04}" for i in range(25)] + ["a", "d.x", "e/f/g", "z ä+%"])
        for key in keys:
            path = self.server.path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(key.encode())
        for size in (1, 7, 1000):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket="lake", PaginationConfig={"PageSize": size})
            self.assertEqual(keys, [o["Key"] for page in pages for o in page.get("Contents", [])])
            pages = self.s3.get_paginator("list_objects").paginate(
                Bucket="lake", Delimiter="/", PaginationConfig={"PageSize": size})
            pages = list(pages)
            self.assertEqual(["a", "d.x", "z ä+%"], [o["Key"] for p in pages for o in p.get("Contents", [])])
            self.assertEqual(["d/", "e/"], [c["Prefix"] for p in pages for c in p.get("CommonPrefixes", [])])
        after = self.s3.list_objects_v2(Bucket="lake", StartAfter="d/0022", Prefix="d/")
        self.assertEqual(["d/0023", "d/0024"], [o["Key"] for o in after["Contents"]])
        nothing = self.s3.list_objects_v2(Bucket="lake", MaxKeys=0)
        self.assertEqual((0, False), (nothing["KeyCount"], nothing["IsTruncated"]))
        self.fails(400, "InvalidArgument", self.s3.list_objects_v2, ContinuationToken="%")
        self.fails(501, "NotImplemented", self.s3.list_objects_v2, Delimiter="d")

    def test_multipart(self):
        data = os.urandom(21 * MIB)
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        self.s3.upload_fileobj(io.BytesIO(data), "lake", "big", Config=config)
        out = io.BytesIO()
        self.s3.download_fileobj("lake", "big", out, Config=config)
        self.assertEqual(data, out.getvalue())
        upload = self.s3.create_multipart_upload(Bucket="lake", Key="copy")["UploadId"]
        parts = []
        for number, span in enumerate(("bytes=0-5242879", "bytes=5242880-22020095"), 1):
            part = self.s3.upload_part_copy(Bucket="lake", Key="copy", UploadId=upload, PartNumber=number,
                                            CopySource="lake/big", CopySourceRange=span)
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        self.fails(416, "InvalidRange", self.s3.upload_part_copy, Key="copy", UploadId=upload, PartNumber=3,
                   CopySource="lake/big", CopySourceRange="bytes=0-99999999")
        listed = self.s3.list_parts(Bucket="lake", Key="copy", UploadId=upload)["Parts"]
        self.assertEqual([(1, 5242880), (2, 16777216)], [(p["PartNumber"], p["Size"]) for p in listed])
        self.assertEqual(["big"], [o["Key"] for o in self.s3.list_objects_v2(Bucket="lake")["Contents"]])
        self.s3.complete_multipart_upload(Bucket="lake", Key="copy", UploadId=upload,
                                          MultipartUpload={"Parts": parts})
        self.assertEqual(data, self.body("copy"))
        self.fails(404, "NoSuchUpload", self.s3.list_parts, Key="copy", UploadId=upload)

    def test_conditional_completion(self):
        upload = self.s3.create_multipart_upload(Bucket="lake", Key="a")["UploadId"]
        part = self.s3.upload_part(Bucket="lake", Key="a", UploadId=upload, PartNumber=1, Body=b"new")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.s3.put_object(Bucket="lake", Key="a", Body=b"old")
        self.fails(412, "PreconditionFailed", self.s3.complete_multipart_upload, Key="a", UploadId=upload,
                   MultipartUpload=parts, IfNoneMatch="*")
        self.assertEqual(b"old", self.body("a"))
        self.s3.abort_multipart_upload(Bucket="lake", Key="a", UploadId=upload)
        self.assertEqual(["a"], self.server.files())

    def test_copies(self):
        etag = self.s3.put_object(Bucket="lake", Key="a", Body=b"1")["ETag"]
        copy = self.s3.copy_object
        copy(Bucket="lake", Key="b", CopySource="lake/a", CopySourceIfMatch=etag)
        self.assertEqual(b"1", self.body("b"))
        copy(Bucket="pond", Key="c", CopySource="lake/a")  # the key may do that
        self.assertEqual(b"1", self.server.path("c", "pond").read_bytes())
        self.fails(412, "PreconditionFailed", copy, Key="b", CopySource="lake/a", CopySourceIfMatch='"x"')
        self.fails(404, "NoSuchKey", copy, Key="b", CopySource="lake/none")
        self.fails(400, "InvalidRequest", copy, Key="a", CopySource="lake/a")

    def test_directories(self):
        self.s3.put_object(Bucket="lake", Key="d/e/", Body=b"")
        self.assertTrue(self.server.path("d/e").is_dir())
        self.assertEqual(0, self.s3.head_object(Bucket="lake", Key="d/e/")["ContentLength"])
        self.fails(404, "404", self.s3.head_object, Key="d/e")
        self.fails(404, "NoSuchKey", self.s3.get_object, Key="d/e")
        self.assertEqual(["d/e/"], [o["Key"] for o in self.s3.list_objects_v2(Bucket="lake", Prefix="d/e/")["Contents"]])
        self.fails(400, "InvalidArgument", self.s3.put_object, Key="d/f/", Body=b"x")
        self.s3.put_object(Bucket="lake", Key="d/e/x", Body=b"x")
        self.s3.delete_object(Bucket="lake", Key="d/e/")
        self.assertEqual(b"x", self.body("d/e/x"))
        self.s3.delete_objects(Bucket="lake", Delete={"Objects": [{"Key": "d/e/x"}, {"Key": "d/e/"}]})
        self.fails(404, "404", self.s3.head_object, Key="d/e/")

    def test_buckets(self):
        self.assertEqual(["lake", "pond"], [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        self.s3.head_bucket(Bucket="lake")
        self.assertIsNone(self.s3.get_bucket_location(Bucket="lake")["LocationConstraint"])
        self.fails(501, "NotImplemented", self.s3.get_bucket_acl)
        reader = client_of(self.server, READER)
        self.assertEqual(["lake"], [b["Name"] for b in reader.list_buckets()["Buckets"]])

    def test_presigned(self):
        self.s3.put_object(Bucket="lake", Key="t1/a", Body=b"presigned")
        s3 = client_of(self.server, signature_version="s3v4")
        url = s3.generate_presigned_url("get_object", {"Bucket": "lake", "Key": "t1/a"}, 60)
        import urllib.request
        with urllib.request.urlopen(url, timeout=60) as reply:
            self.assertEqual(b"presigned", reply.read())


class CommandLine(GatewayTest):
    def aws(self, *arguments, fails=None):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "aws"), "--endpoint-url", self.server.url + "/s3", *arguments],
            env=environment({"AWS_ACCESS_KEY_ID": ADMIN[0], "AWS_SECRET_ACCESS_KEY": ADMIN[1],
                             "AWS_DEFAULT_REGION": REGION, "AWS_MAX_ATTEMPTS": "1"}),
            capture_output=True, text=True, timeout=300)
        if fails:
            self.assertNotEqual(0, done.returncode)
            self.assertIn(fails, done.stderr)
        else:
            self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_copies_there_and_back(self):
        with tempfile.TemporaryDirectory() as temp:
            for name, size in (("small", 10), ("empty", 0), ("big", 20 * MIB)):
                Path(temp, name).write_bytes(os.urandom(size))
            self.aws("s3", "sync", temp, "s3://lake/cli/")
            self.assertEqual(3, len(self.aws("s3", "ls", "s3://lake/cli/").splitlines()))
            self.aws("s3", "cp", "--recursive", "s3://lake/cli/", temp + "/back")
            self.aws("s3", "mv", "s3://lake/cli/big", "s3://lake/cli/moved")
            for name in ("small", "empty", "big"):
                self.assertEqual(Path(temp, name).read_bytes(), Path(temp, "back", name).read_bytes())
            for algorithm in ("CRC32", "SHA1", "SHA256"):
                self.aws("s3", "cp", "--checksum-algorithm", algorithm, temp + "/big", "s3://lake/cli/sum")
                self.assertEqual(Path(temp, "big").read_bytes(), self.server.path("cli/sum").read_bytes())
            self.aws("s3api", "put-object", "--bucket", "lake", "--key", "cli/small", "--body", temp + "/small",
                     "--if-none-match", "*", fails="PreconditionFailed")
        self.aws("s3", "rm", "--recursive", "s3://lake/cli/")
        self.assertEqual([], self.server.files())


if __name__ == "__main__":
    unittest.main()
