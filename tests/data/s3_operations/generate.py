#!/usr/bin/env python3
"""Makes operations.txt: a request of every operation that S3 has, as botocore writes it.

    pip install botocore==1.43.11 && tests/data/s3_operations/generate.py

A line: operation, method, target, and the copy source or "-". Each operation comes with what it must
have, and with all it can have in its query; tests/unit/test_s3_request.c reads the file."""
import sys
from pathlib import Path
from urllib.parse import quote

import botocore.loaders
import botocore.model
import botocore.serialize

ELSEWHERE = {"ListDirectoryBuckets"}  # ListBuckets, sent to another host
NAMED = {"Bucket": "bucket", "Key": "a key/ü", "CopySource": "other/from%20here", "UploadId": "up+load/=",
         "PartNumber": 7, "Prefix": "a key/", "Delimiter": "/", "EncodingType": "url", "MaxKeys": 2}


def sample(name, shape, depth=0):
    if name in NAMED:
        return NAMED[name]
    if shape.type_name == "structure":
        members = shape.required_members if depth else []
        return {m: sample(m, shape.members[m], depth + 1) for m in members}
    if shape.type_name == "list":
        return [sample(name, shape.member, depth + 1)]
    if shape.type_name == "map":
        return {}
    return {"boolean": True, "integer": 1, "long": 1, "blob": b"x", "timestamp": 0}.get(
        shape.type_name, (shape.enum or ["x"])[0] if shape.type_name == "string" else "x")


def line(serializer, operation, optional):
    shape = operation.input_shape
    parameters = {}
    for name, member in (shape.members.items() if shape else ()):
        in_query = member.serialization.get("location") == "querystring"
        if name in shape.required_members or (optional and in_query):
            parameters[name] = sample(name, member)
    request = serializer.serialize_to_request(parameters, operation)
    path, _, fixed = request["url_path"].partition("?")
    query = [fixed] if fixed else []
    query += [f"{quote(k, safe='-_.~')}={quote(str(v), safe='-_.~')}"
              for k, v in request["query_string"].items()]
    target = path + ("?" + "&".join(query) if query else "")
    source = request["headers"].get("x-amz-copy-source", "-")
    return f"{operation.name} {request['method']} {target} {source}\n"


def main():
    model = botocore.model.ServiceModel(
        botocore.loaders.Loader().load_service_model("s3", "service-2"))
    serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)
    lines = []
    for name in sorted(set(model.operation_names) - ELSEWHERE):
        for optional in (False, True):
            text = line(serializer, model.operation_model(name), optional)
            if text not in lines:
                lines.append(text)
    Path(sys.argv[0]).with_name("operations.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
