"""kill -9 in the middle of uploads, again and again: every object that was acknowledged is there,
whole; a name whose replacement was not acknowledged holds one of the contents that were sent, and
nothing only if it never held any."""
import hashlib
import http.client
import os
import random
import threading
import unittest

from tests.gateway.fixture import ADMIN, GatewayServer, call, xml_texts

ROUNDS = int(os.environ.get("FIRN_KILL_ROUNDS", "12"))
WRITERS = 4


class Writer(threading.Thread):
    """Writes until the server is gone. `sent`: name to digests; `acknowledged`: name to digest."""

    def __init__(self, server, number, seed):
        super().__init__()
        self.server, self.number = server, number
        self.random = random.Random(seed)
        self.sent, self.acknowledged, self.made = {}, {}, set()
        self.count = 0
        self.error = None

    def run(self):
        try:
            while True:
                self.one()
        except (OSError, http.client.HTTPException):
            pass  # killed
        except BaseException as error:
            self.error = error

    def data(self):
        return self.random.randbytes(self.random.choice((0, 10, 5000, 300000, 1 << 20)))

    def one(self):
        self.count += 1
        name = f"w{self.number}/d{self.count % 5}/{self.random.randrange(8)}"
        multipart = self.random.random() < 0.3
        parts = [self.data() for _ in range(2 if multipart else 1)]
        digest = hashlib.sha256(b"".join(parts)).hexdigest()
        self.sent.setdefault(name, set()).add(digest)
        before = self.acknowledged.pop(name, None)
        if before:
            self.sent[name].add(before)
        (self.upload if multipart else self.put)("/lake/" + name, parts)
        self.acknowledged[name] = digest
        self.made.add(name)

    def put(self, path, parts):
        self.checked("PUT", path, parts[0])

    def upload(self, path, parts):
        [upload] = xml_texts(self.checked("POST", path + "?uploads").body, "UploadId")
        listed = ""
        for number, part in enumerate(parts, 1):
            answer = self.checked("PUT", f"{path}?partNumber={number}&uploadId={upload.decode()}", part)
            listed += (f"<Part><PartNumber>{number}</PartNumber>"
                       f"<ETag>{answer.headers['etag']}</ETag></Part>")
        self.checked("POST", f"{path}?uploadId={upload.decode()}",
                     f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode())

    def checked(self, method, path, body=b""):
        answer = call(self.server, method, path, body, ADMIN)
        assert answer.status == 200, answer
        return answer


class Kill(unittest.TestCase):
    def test_kill(self):
        seed = int(os.environ.get("FIRN_KILL_SEED", random.randrange(1 << 30)))
        chance = random.Random(seed)
        server = GatewayServer()
        self.addCleanup(server.close)
        sent, acknowledged, made, count = {}, {}, set(), 0
        for round_number in range(ROUNDS):
            server.start()
            self.check(server, sent, acknowledged, made, f"seed {seed}, round {round_number}")
            writers = [Writer(server, n, chance.random()) for n in range(WRITERS)]
            for writer in writers:
                writer.sent = {k: set(v) for k, v in sent.items() if k.startswith(f"w{writer.number}/")}
                writer.acknowledged = {k: v for k, v in acknowledged.items()
                                       if k.startswith(f"w{writer.number}/")}
                writer.start()
            threading.Event().wait(chance.uniform(0.05, 0.8))
            server.kill()
            acknowledged = {}
            for writer in writers:
                writer.join()
                self.assertIsNone(writer.error, f"seed {seed}")
                sent.update(writer.sent)
                acknowledged.update(writer.acknowledged)
                made |= writer.made
                count += writer.count
        server.start()
        self.check(server, sent, acknowledged, made, f"seed {seed}, the end")
        server.stop()
        self.assertGreater(count, ROUNDS * WRITERS, "nothing was written between the kills")

    def check(self, server, sent, acknowledged, made, when):
        for name, digests in sent.items():
            answer = call(server, "GET", "/lake/" + name, key=ADMIN)
            if name in acknowledged:
                self.assertEqual(200, answer.status, f"{when}: {name} is lost")
                self.assertEqual(acknowledged[name], hashlib.sha256(answer.body).hexdigest(),
                                 f"{when}: {name} is torn or old")
            elif name in made or answer.status != 404:
                self.assertEqual(200, answer.status, f"{when}: {name} is gone")
                self.assertIn(hashlib.sha256(answer.body).hexdigest(), digests, f"{when}: {name} is torn")


if __name__ == "__main__":
    unittest.main()
