"""Commits on a store that fails: exactly the outcomes of contract/reliability.md 2.3, F03 to F07 and
F40. Nothing here measures time."""
import concurrent.futures
import threading
import time
import unittest

from tests.harness import append
from tests.stores.fixture import StoreTest

METADATA = ".metadata.json"


class LostAndRefused(StoreTest):
    def test_a_store_that_is_busy_for_a_moment(self):
        """F03: 503 a few times, then well."""
        self.proxy.fail("PUT", METADATA, ("answer", 503), times=3)
        self.must(self.commit())
        puts = self.proxy.seen("PUT", METADATA)
        self.assertEqual(["answer"] * 3 + ["pass"], [entry[2] for entry in puts])
        self.assertEqual(1, len({entry[1] for entry in puts}), "the same name each time")
        self.check_table(snapshots=1)

    def test_a_store_that_stays_busy(self):
        """F03: nothing was done, the client may come again, and does."""
        self.proxy.fail("PUT", METADATA, ("answer", 503))
        reply = self.must(self.commit(), 503)
        self.assertEqual("ServiceUnavailableException", reply.error["type"])
        self.assertGreaterEqual(int(reply.header("Retry-After")), 1)
        self.assertGreater(len(self.proxy.seen("PUT", METADATA)), 2)
        self.assertEqual(1, len(self.metadata_keys()))
        self.proxy.heal()
        self.must(self.commit())
        self.check_table(snapshots=1)

    def test_a_lost_reply(self):
        """F04: the store has it; asked again it says so, and the bytes decide."""
        self.proxy.fail("PUT", METADATA, "cut_after", times=1)
        self.must(self.commit())
        statuses = [entry[3] for entry in self.proxy.seen("PUT", METADATA)]
        self.assertEqual([200, 412], statuses)
        self.assertEqual(2, len(self.metadata_keys()))
        self.check_table(snapshots=1)

    def test_replies_that_are_all_lost(self):
        """F04: even then the bytes decide."""
        self.proxy.fail("PUT", METADATA, "cut_after")
        self.must(self.commit())
        self.assertEqual(2, len(self.metadata_keys()))
        self.proxy.heal()
        self.check_table(snapshots=1)

    def test_an_error_after_it_was_done(self):
        self.proxy.fail("PUT", METADATA, ("answer_after", 500), times=2)
        self.must(self.commit())
        self.assertEqual(2, len(self.metadata_keys()))
        self.check_table(snapshots=1)

    def test_nobody_can_tell(self):
        """The reply is lost and the store cannot be read: nothing was committed, an orphan stays."""
        self.proxy.fail("PUT", METADATA, "cut_after")
        self.proxy.fail("GET", METADATA, "cut_before")
        self.must(self.commit(), 503)
        self.proxy.heal()
        self.must(self.commit())
        self.assertEqual(3, len(self.metadata_keys()))
        self.check_table(snapshots=1)

    def test_somebody_elses_bytes_under_that_name(self):
        """A lost reply does not make foreign bytes ours."""
        names = []

        def foreign(method, path):
            if method == "PUT" and METADATA in path and not names:
                names.append(path)
                self.s3.request("PUT", path, body=b"foreign")
                return "cut_before", None
            return "pass", None

        self.proxy.action_of = foreign
        reply = self.commit()
        self.assertNotEqual(200, reply.status, repr(reply))
        self.assertGreaterEqual(reply.status, 500, repr(reply))
        self.assertEqual(b"foreign", self.s3.request("GET", names[0])[2])
        self.must(self.commit())
        self.check_table(snapshots=1)

    def test_a_body_that_is_cut(self):
        """F05: half a body is no object, and the whole comes after."""
        self.proxy.fail("PUT", METADATA, ("cut_body", 100), times=2)
        self.must(self.commit())
        for key in self.metadata_keys():
            self.assertTrue(self.s3.get(key)[2].endswith(b"}"), key)
        self.check_table(snapshots=1)

    def test_a_connection_that_is_cut_before(self):
        self.proxy.fail("*", METADATA, "cut_before", times=3)
        self.must(self.commit())
        self.check_table(snapshots=1)

    def test_a_store_that_does_not_show_what_was_written(self):
        """F07: what was just committed is served without asking the store."""
        self.proxy.fail("GET", METADATA, ("answer", 404))
        self.proxy.fail("HEAD", METADATA, ("answer", 404))
        self.must(self.commit())
        loaded = self.must(self.client.load_table("ns", "t")).json
        self.assertEqual(1, len(loaded["metadata"]["snapshots"]))
        updates, requirements = append(loaded["metadata"])
        self.must(self.client.commit("ns", "t", updates, requirements))
        self.proxy.heal()
        self.check_table(snapshots=2)

    def test_a_reply_to_a_read_that_is_cut(self):
        self.must(self.commit())
        self.server.restart()
        self.proxy.fail("GET", METADATA, ("reply_bytes", 50), times=1)
        loaded = self.must(self.client.load_table("ns", "t")).json
        self.assertEqual(1, len(loaded["metadata"]["snapshots"]))

    def test_keys_that_are_refused(self):
        """F35: these are the catalog's keys, not the caller's: no 401, no 403."""
        self.proxy.fail("PUT", METADATA, ("answer", 403))
        reply = self.must(self.commit(), 503)
        self.assertEqual("ServiceUnavailableException", reply.error["type"])
        self.proxy.heal()
        self.must(self.commit())


class Crashes(StoreTest):
    def test_after_the_file_was_written(self):
        """F06: killed between the PUT and the row: nothing acknowledged, nothing broken."""
        self.server.stop()
        self.server.set_failpoints("storage_after_link=crash@1")
        self.server.start()
        with self.assertRaises(OSError):
            self.commit()
        self.assertEqual(137, self.server.wait_exit())
        self.assertEqual(2, len(self.metadata_keys()))
        self.server.program = None
        self.server.set_failpoints(None)
        self.server.start()
        self.assertEqual([], self.must(self.client.load_table("ns", "t"))
                         .json["metadata"].get("snapshots", []))
        self.must(self.commit())
        self.check_table(snapshots=1)


class Hangs(StoreTest):
    def test_others_go_on(self):
        """F40: requests that wait for a store that hangs leave threads for other warehouses."""
        local = self.make_local_warehouse("local")
        self.assertEqual(200, local.create_namespace("ns").status)
        head = self.must(local.create_table("ns", "t")).json["metadata"]
        names = [f"t{i}" for i in range(40)]
        self.proxy.fail("*", METADATA, "hang")
        answers = []
        lock = threading.Lock()

        def hang(name):
            client = self.server.client()
            try:
                reply = client.create_table("ns", name)
                with lock:
                    answers.append(reply)
            finally:
                client.close()

        with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
            futures = [pool.submit(hang, name) for name in names]
            while not self.proxy.seen("PUT", METADATA):  # the first ones hang
                time.sleep(0.01)
            for _ in range(10):
                updates, requirements = append(head)
                head = self.must(local.commit("ns", "t", updates, requirements)).json["metadata"]
            self.assertEqual(200, self.client.get("/v1/config").status)
            waiting = sum(not future.done() for future in futures)
            self.assertGreater(waiting, 0, "the store no longer hangs, so nothing was shown")
            self.proxy.release()
            concurrent.futures.wait(futures)
        for future in futures:
            future.result()
        self.assertLessEqual({reply.status for reply in answers}, {200, 503}, answers)
        self.must(self.commit())


if __name__ == "__main__":
    unittest.main()
