#!/usr/bin/env python3
"""Makes vectors.json: requests, and what botocore signs them with.

    pip install botocore==1.43.11 && tests/data/sigv4/generate.py

The requests are the same on every run; tests/unit/test_s3_signature.c reads the file."""
import json
import random
import string
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SEED = 20261125
COUNT = 400
KEYS = ["", "plain", "a/b/c.parquet", "with space", "two  spaces ", "ünïcødé/雪.parquet", "a+b", "100%",
        "%41", "~tilde", "a*b", "(paren)", "q'uote", "dt=2026-11-25/x=1,2", "a&b", "semi;colon", "a:b@c",
        "!$[]{}|^`<>\"", "back\\slash", "#hash?mark", ".", "..", "a//b", "/lead", "trail/", "\x01\x7f", "😀"]
QUERIES = [[], [("acl", None)], [("acl", "")], [("prefix", "J"), ("max-keys", "2")],
           [("list-type", "2"), ("prefix", "a b/ü+%/"), ("delimiter", "/")],
           [("uploadId", "VXBs+b2Fk/SWQ="), ("partNumber", "10")],
           [("b", "2"), ("a", "2"), ("a", "1"), ("a", ""), ("a-b", "0"), ("A", "z")],
           [("a", "b"), ("a!", "x"), ("a0", "y"), ("~", "*")], [("x-id", "GetObject")],
           [("continuation-token", "1/2+3=&4")], [("delete", None), ("x-id", "DeleteObjects")]]
HEADERS = [[], [("Range", "bytes=0-9")], [("Content-Type", "text/plain; charset=utf-8")],
           [("x-amz-meta-a", "  folded   white \t space  ")], [("X-Amz-Meta-Empty", "")],
           [("x-amz-meta-b", "2"), ("x-amz-meta-b", " 1 "), ("X-AMZ-META-B", "3,4")],
           [("x-amz-meta-aa", "1"), ("x-amz-meta-a", "2"), ("x-amz-meta-a-b", "3")],
           [("If-None-Match", "*"), ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")],
           [("x-amz-copy-source", "/bucket/a%20b%2Bc")], [("Cache-Control", "a=\"b  c\"")]]
HOSTS = ["examplebucket.s3.amazonaws.com", "127.0.0.1:9000", "s3.eu-central-1.amazonaws.com", "[::1]:80"]


def signed(dice):
    secret = "".join(dice.choices(string.ascii_letters + string.digits + "/+", k=dice.randint(1, 90)))
    token = "".join(dice.choices(string.ascii_letters + "/+=", k=80)) if dice.random() < .3 else None
    region = dice.choice(["us-east-1", "eu-central-1", "auto", ""])
    path = "/" + dice.choice(["", "bucket/", "my.bucket/"]) + quote(dice.choice(KEYS), safe="/~")
    query = dice.choice(QUERIES)
    host = dice.choice(HOSTS)
    text = "&".join(quote(n, safe="~") + ("" if v is None else "=" + quote(v, safe="~"))
                    for n, v in query)
    request = AWSRequest(method=dice.choice(["GET", "PUT", "POST", "DELETE", "HEAD"]),
                         url=f"https://{host}{path}" + ("?" + text if text else ""))
    request.context["timestamp"] = f"20{dice.randint(10, 99)}0{dice.randint(1, 9)}15T0{dice.randint(0, 9)}3059Z"
    request.headers["Host"] = host
    for name, value in dice.choice(HEADERS):
        request.headers.add_header(name, value)
    presigned = dice.random() < .3 and len(query) == len(dict(query))
    credentials = Credentials("AKIDEXAMPLE", secret, token)
    if presigned:
        auth = S3SigV4QueryAuth(credentials, "s3", region, expires=dice.randint(1, 604800))
        payload = "UNSIGNED-PAYLOAD"
        auth._modify_request_before_signing(request)
    else:
        auth = S3SigV4Auth(credentials, dice.choice(["s3", "s3", "sts"]), region)
        payload = dice.choice(["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                               "%064x" % dice.getrandbits(256)])
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        request.headers["X-Amz-Content-SHA256"] = payload
        if token:
            request.headers["X-Amz-Security-Token"] = token
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    raw = urlsplit(request.url)
    return {
        "method": request.method, "path": raw.path,
        "query": [list(pair) for pair in parse_qsl(raw.query.replace("+", "%2B"), keep_blank_values=True)],
        "headers": [[n, v] for n, v in request.headers.items()], "payload_hash": payload,
        "secret": secret, "amz_date": request.context["timestamp"], "region": auth._region_name,
        "service": auth._service_name,
        "signed_headers": auth.signed_headers(auth.headers_to_sign(request)), "signature": signature,
    }


def main():
    dice = random.Random(SEED)
    vectors = [signed(dice) for _ in range(COUNT)]
    lines = ",\n".join(json.dumps(vector, sort_keys=True) for vector in vectors)
    Path(sys.argv[0]).with_name("vectors.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
