"""Old metadata files: how many the log keeps, and when they go (rest.md 4.10)."""
import http.client
import json
import os
import time
import unittest

from tests.harness import (FirnTest, Server, append, assert_ref, key_header, local_path,
                           read_metadata, set_properties)

ON = {"write.metadata.delete-after-commit.enabled": "true",
      "write.metadata.previous-versions-max": "2"}
SECONDS = 30


def exists(location):
    return os.path.exists(local_path(location))


class Upkeep(FirnTest):
    def table(self, properties=ON, **fields):
        ns, name, made = self.fresh_table(properties=properties, **fields)
        return ns, name, [made["metadata-location"]]

    def commit(self, ns, name, files, **kw):
        reply = self.assert_commits(ns, name, [set_properties(n=str(len(files)))], **kw)
        files.append(reply["metadata-location"])
        return reply

    def wait_for(self, files):
        """Exactly these of the files are there in the end."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not all(map(lambda f: exists(f[0]) == f[1], files)):
            time.sleep(0.02)
        self.assertEqual([], [f for f in files if exists(f[0]) != f[1]])

    def expect(self, files, kept):
        self.wait_for([(f, i >= len(files) - kept) for i, f in enumerate(files)])

    def log(self, reply):
        return [entry["metadata-file"] for entry in reply["metadata"]["metadata-log"]]

    def test_what_falls_out_of_the_log_goes_soon(self):
        ns, name, files = self.table()
        begin = time.monotonic()
        for _ in range(6):
            reply = self.commit(ns, name, files)
            self.assertEqual(files[-3:-1], self.log(reply))
        self.expect(files, 3)
        self.assertLess(time.monotonic() - begin, 4)  # before the sweeper's own period
        self.assertEqual(reply["metadata"], read_metadata(files[-1]))

    def test_not_unless_asked_for(self):
        for properties in ({}, {"write.metadata.previous-versions-max": "1"},
                           {**ON, "write.metadata.delete-after-commit.enabled": "false"}):
            ns, name, files = self.table(properties)
            for _ in range(4):
                self.commit(ns, name, files)
            time.sleep(0.3)
            self.expect(files, 5)

    def test_the_new_property_counts(self):
        ns, name, files = self.table({"write.metadata.previous-versions-max": "100"})
        for _ in range(5):
            self.commit(ns, name, files)
        reply = self.assert_commits(ns, name, [set_properties(**ON)])
        files.append(reply["metadata-location"])
        self.assertEqual(files[-3:-1], self.log(reply))
        self.expect(files, 3)
        self.assert_commits(ns, name, [
            set_properties(**{"write.metadata.delete-after-commit.enabled": "FALSE"})])
        time.sleep(0.3)
        self.expect(files, 3)

    def test_data_and_other_files_stay(self):
        ns, name, files = self.table()
        folder = os.path.dirname(local_path(files[0]))
        others = [os.path.join(folder, n) for n in ("00000-x.metadata.json", "snap-1.avro")]
        for path in others:
            with open(path, "w") as f:
                f.write("{}")
        for _ in range(5):
            self.commit(ns, name, files)
        self.expect(files, 3)
        self.assertTrue(all(map(os.path.exists, others)))

    def test_compressed(self):
        ns, name, files = self.table({**ON, "write.metadata.compression-codec": "gzip"})
        for _ in range(4):
            self.commit(ns, name, files)
        self.assertTrue(files[0].endswith(".gz.metadata.json"))
        self.expect(files, 3)

    def test_a_refused_commit_removes_nothing(self):
        ns, name, files = self.table()
        for _ in range(2):
            self.commit(ns, name, files)
        for _ in range(3):
            self.assert_error(self.client.commit(ns, name, [set_properties(x="1")],
                                                 [assert_ref(7)]), 409, "CommitFailedException")
        time.sleep(0.3)
        self.expect(files, 3)

    def test_transactions(self):
        ns, a, files_a = self.table()
        _, b, made = self.fresh_table(ns, properties=ON)
        files_b = [made["metadata-location"]]
        for _ in range(2):
            self.commit(ns, a, files_a)
            self.commit(ns, b, files_b)
        refused = self.client.transaction([(ns, a, [set_properties(x="1")]),
                                           (ns, b, [set_properties(x="1")], [assert_ref(7)])])
        self.assert_error(refused, 409, "CommitFailedException")
        time.sleep(0.3)
        self.expect(files_a, 3)
        self.expect(files_b, 3)
        self.assert_status(204, self.client.transaction([(ns, a, [set_properties(x="2")]),
                                                         (ns, b, [set_properties(x="2")])]))
        for name, files in ((a, files_a), (b, files_b)):
            files.append(self.load(ns, name)["metadata-location"])
            self.expect(files, 3)

    def test_a_replay_whose_file_is_gone_still_succeeds(self):
        ns, name, files = self.table()
        key = key_header()
        updates = [set_properties(first="1")]
        files.append(self.assert_commits(ns, name, updates, headers=key)["metadata-location"])
        for _ in range(4):
            self.commit(ns, name, files)
        self.expect(files, 3)
        again = self.assert_commits(ns, name, updates, headers=key)
        self.assertEqual(files[-1], again["metadata-location"])
        self.assertEqual("1", again["metadata"]["properties"]["first"])

    def test_a_repeat_removes_nothing_more(self):
        ns, name, files = self.table()
        reply = self.load(ns, name)
        updates, requirements = append(reply["metadata"])
        for _ in range(2):
            self.commit(ns, name, files)
        files.append(self.assert_commits(ns, name, updates, requirements)["metadata-location"])
        self.expect(files, 3)
        again = self.assert_commits(ns, name, updates, requirements)
        self.assertEqual(files[-1], again["metadata-location"])
        time.sleep(0.3)
        self.expect(files, 3)

    def test_a_file_that_a_table_points_at_stays(self):
        ns, name, files = self.table()
        for _ in range(2):
            self.commit(ns, name, files)
        self.assert_status(200, self.client.register(ns, name, files[0], overwrite=True))
        for _ in range(3):  # the log of the file that is the table now knows nothing of itself
            self.commit(ns, name, files)
        self.assert_status(200, self.client.load_table(ns, name))

    def test_a_made_up_log_removes_nothing_of_others(self):
        ns, victim, files = self.table({})
        self.commit(ns, victim, files)
        name = self.fresh_name("t")
        made = self.client.create_table(ns, name, properties=ON).json
        document = read_metadata(made["metadata-location"])
        outside = os.path.join(self.server.data, "warehouse", "outside.metadata.json")
        with open(outside, "w") as f:
            f.write("{}")
        document["metadata-log"] = [
            {"timestamp-ms": document["last-updated-ms"], "metadata-file": location}
            for location in (*files, "file://" + outside, "file:///etc/passwd", "../x", "")]
        path = os.path.join(os.path.dirname(local_path(made["metadata-location"])),
                            "00007-made-up.metadata.json")

        with open(path, "w") as f:
            json.dump(document, f)
        self.assert_status(204, self.client.drop_table(ns, name))
        reply = self.client.register(ns, name, "file://" + path)
        if reply.status == 200:
            own = [reply.json["metadata-location"]]
            for _ in range(4):
                self.commit(ns, name, own)
            self.expect(own, 3)
        time.sleep(0.3)
        self.expect(files, 2)
        self.assertTrue(os.path.exists(outside))
        self.load(ns, victim)


class Crashes(unittest.TestCase):
    def test_after_a_kill_the_rest_goes(self):
        server = Server()
        self.addCleanup(server.close)
        server.set_failpoints("commit_before_reply=crash@5")
        server.start()
        client = server.client()
        self.addCleanup(client.close)
        client.create_namespace("ns")
        files = [client.create_table("ns", "t", properties=ON).json["metadata-location"]]
        for i in range(4):
            files.append(client.commit("ns", "t", [set_properties(n=str(i))])
                         .json["metadata-location"])
        with self.assertRaises((OSError, http.client.HTTPException)):
            client.commit("ns", "t", [set_properties(n="last")])
        server.wait_exit()
        server.set_failpoints(None)
        server.start()
        last = client.load_table("ns", "t").json
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and any(map(exists, files[:3])):
            time.sleep(0.05)
        files.append(last["metadata-location"])
        self.assertEqual([False] * 3 + [True] * 3, [exists(f) for f in files])
        server.stop()


if __name__ == "__main__":
    unittest.main()
