"""The program as its operator meets it: options, probes, log, start and stop."""
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import unittest

from tests.harness import (FirnTest, Server, failpoint_binary, read_metadata, run_firn,
                           set_properties, warehouse_files)


class TempTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.data = os.path.join(self.temp, "data")

    def server(self, *args, **kw):
        server = Server(self.data, args, **kw)
        self.addCleanup(server.close)
        return server


class Probes(FirnTest):
    def test_live_and_ready(self):
        for path in ("/health/live", "/health/ready"):
            self.assert_status(200, self.client.get(path))

    def test_metrics(self):
        ns, name, _ = self.fresh_table()
        self.assert_status(200, self.client.commit(ns, name, [set_properties(a="b")]))
        reply = self.assert_status(200, self.client.get("/metrics"))
        self.assertTrue(reply.header("Content-Type").startswith("text/plain"))
        values = {}
        types = {}
        for line in reply.body.decode().splitlines():
            if line.startswith("# TYPE "):
                types[line.split()[2]] = line.split()[3]
            elif line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                values[series] = float(value)
        self.assertGreaterEqual(values["firn_commits_total"], 1)
        self.assertGreaterEqual(values["firn_storage_writes_total"], 2)
        self.assertTrue(any(s.startswith("firn_http_requests_total{") and "updateTable" in s
                            and "200" in s for s in values), sorted(values))
        for series in values:
            name = series.split("{")[0]
            base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            self.assertTrue(name in types or base in types, f"{name} has no type")

    def test_counters_count(self):
        def commits():
            for line in self.client.get("/metrics").body.decode().splitlines():
                if line.startswith("firn_commits_total "):
                    return float(line.split()[1])
        ns, name, _ = self.fresh_table()
        before = commits()
        for i in range(3):
            self.assert_commits(ns, name, [set_properties(i=str(i))])
        self.assertEqual(before + 3, commits())

    def test_request_id(self):
        self.client.get("/v1/config")
        reply = self.client.get("/v1/config", headers={"X-Request-ID": "abc-123"})
        self.assert_status(200, reply)


class Log(TempTest):
    def test_json_lines(self):
        server = self.server("--log-format", "json")
        server.start()
        client = server.client()
        hostile = 'x"\n{"level":"fatal"}\r\x1b[31m\u2028🧊'
        client.create_namespace(hostile)
        client.load_namespace(hostile)
        client.get("/v1/config", headers={"User-Agent": "a" * 5000 + '"\\'})
        client.get("/nothing/%0a%22here")
        server.stop()
        lines = server.log_lines()
        events = [json.loads(line) for line in lines]
        requests = [e for e in events if "status" in e]
        self.assertEqual(4, len(requests), lines)
        for event in requests:
            self.assertIn("method", event)
        self.assertEqual([200, 200, 200, 404], [int(e["status"]) for e in requests])

    def test_text_lines(self):
        server = self.server()
        server.start()
        server.client().load_namespace("a\nb\x1b[31m")
        server.stop()
        for line in server.log_lines():
            self.assertNotRegex(line.decode(), r"[\x00-\x08\x0b-\x1f\x7f]")
        self.assertTrue(any(b"404" in line for line in server.log_lines()))

    def test_no_line_holds_a_body(self):
        server = self.server("--log-level", "debug")
        server.start()
        client = server.client()
        client.create_namespace("ns", {"password": "canary-4711"})
        client.post("/v1/namespaces", '{"namespace":["x"],"properties":{"p":"canary-4711"')
        client.get("/v1/config", headers={"Authorization": "Bearer canary-4711"})
        server.stop()
        self.assertNotIn("canary-4711", server.output())


class Options(TempTest):
    def options(self, *args, env=None):
        status, out, err = run_firn("serve", "--data", self.data, "--print-options", *args, env=env)
        self.assertEqual(0, status, err)
        found = {}
        for line in out.splitlines():
            if "=" in line and not line.startswith("#"):
                key, value = line.split("=", 1)
                found[key.strip()] = value.rsplit("#", 1)[0].strip()
        self.assertTrue(found, out)
        self.assertFalse(os.path.exists(self.data), "printing options must not make anything")
        return found

    def refused(self, *args, env=None, naming=""):
        status, out, err = run_firn("serve", "--data", self.data, "--listen", "127.0.0.1:0", *args,
                                    env=env)
        self.assertNotEqual(0, status)
        self.assertLess(status, 128, "it crashed")
        self.assertIn(naming, err)
        self.assertFalse(os.path.exists(self.data))

    def test_print_options(self):
        options = self.options()
        self.assertIn("listen", options)
        self.assertEqual(self.data, options["data"])

    def test_sources_in_order(self):
        """Command line before environment before file before default."""
        path = os.path.join(self.temp, "firn.conf")
        default = self.options()["log-level"]
        self.assertEqual("info", default)
        with open(path, "w") as f:
            f.write("# a comment\n\nlog-level = debug\n")
        self.assertEqual("debug", self.options("--config", path)["log-level"])
        env = {"FIRN_LOG_LEVEL": "warn"}
        self.assertEqual("warn", self.options(env=env)["log-level"])
        self.assertEqual("warn", self.options("--config", path, env=env)["log-level"])
        self.assertEqual("error", self.options("--config", path, "--log-level", "error",
                                               env=env)["log-level"])

    def test_unknown_keys(self):
        self.refused("--no-such-option", naming="no-such-option")
        self.refused("--no-such-option=x", naming="no-such-option")
        path = os.path.join(self.temp, "firn.conf")
        with open(path, "w") as f:
            f.write("log-level = info\nno-such-option = 1\n")
        self.refused("--config", path, naming="no-such-option")

    def test_bad_values(self):
        for args in (("--log-level", "loud"), ("--log-format", "xml"), ("--workers", "0"),
                     ("--workers", "-1"), ("--workers", "x"), ("--workers", "99999999999999999999"),
                     ("--max-body-bytes", "1"), ("--loops", "100000"), ("--auth", "maybe"),
                     ("--access-log=perhaps",), ("--idempotency-lifetime-s=-1",)):
            with self.subTest(args):
                self.refused(*args, naming=args[0].lstrip("-").split("=")[0])

    def test_missing_value_and_file(self):
        self.refused("--log-level")
        self.refused("--config", os.path.join(self.temp, "missing.conf"), naming="missing.conf")

    def test_help_and_version(self):
        for args in (("--help",), ("serve", "--help"), ("serve", "--version"), ("version",)):
            status, out, err = run_firn(*args)
            self.assertEqual(0, status, err)
            self.assertIn("firn", out)

    def test_no_command(self):
        for args in ((), ("fly",)):
            status, out, err = run_firn(*args)
            self.assertNotEqual(0, status)
            self.assertTrue(err.strip())


class Listen(TempTest):
    def test_all_addresses_need_to_be_asked_for_by_name(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            server = self.server().spawn(address)
            self.assertFalse(server.wait_ready(), "it serves everybody without a password")
            self.assertGreater(server.exit_status, 0)
            self.assertIn("allow-anonymous-network", server.output())

    def test_asked_for_by_name(self):
        server = self.server("--allow-anonymous-network").spawn("0.0.0.0:0")
        self.assertTrue(server.wait_ready(), server.output())
        server.host = "127.0.0.1"
        self.assertEqual(200, server.client().get("/v1/config").status)
        server.stop()

    @unittest.skipUnless(socket.has_ipv6, "no IPv6 here")
    def test_ipv6_loopback(self):
        server = self.server().spawn("[::1]:0")
        self.assertTrue(server.wait_ready(), server.output())
        self.assertEqual(200, server.client().get("/v1/config").status)
        server.stop()

    def test_bad_addresses(self):
        for address in ("nonsense", "127.0.0.1:99999", "127.0.0.1:x", "256.1.1.1:0", "", ":"):
            with self.subTest(address):
                server = self.server().spawn(address)
                self.assertFalse(server.wait_ready())
                self.assertGreater(server.exit_status, 0)

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            server = self.server().spawn(f"127.0.0.1:{s.getsockname()[1]}")
            self.assertFalse(server.wait_ready())
            self.assertGreater(server.exit_status, 0)
            self.assertIn(str(s.getsockname()[1]), server.output())


class StartAndStop(TempTest):
    def test_second_process_on_the_same_data(self):
        first, second = self.server().start(), self.server().spawn()
        self.assertFalse(second.wait_ready(), "two processes own one data directory")
        self.assertGreater(second.exit_status, 0)
        self.assertIn(self.data, second.output())
        self.assertEqual(200, first.client().create_namespace("ns").status)
        first.kill()
        second.start()
        self.assertEqual(200, second.client().load_namespace("ns").status)
        second.stop()

    def test_signals_end_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.server().start()
            server.process.send_signal(number)
            self.assertEqual(0, server.wait_exit())

    def test_idle_connections_do_not_hold_it(self):
        server = self.server().start()
        with socket.create_connection((server.host, server.port)), \
                socket.create_connection((server.host, server.port)) as half:
            half.sendall(b"GET /v1/config HTTP/1.1\r\nHost:")
            client = server.client()
            client.get("/v1/config")
            server.stop()

    def test_stop_under_load_loses_nothing(self):
        """Every commit that was acknowledged is there afterwards; the others were refused whole."""
        server = self.server().start()
        client = server.client()
        client.create_namespace("ns")
        for i in range(4):
            self.assertEqual(200, client.create_table("ns", f"t{i}").status)
        acknowledged = [[] for _ in range(8)]
        refused = []
        started = threading.Barrier(9)

        def work(i):
            mine = server.client()
            started.wait()
            for j in range(100000):
                try:
                    reply = mine.commit("ns", f"t{i % 4}", [set_properties(**{f"k{i}_{j}": "x"})])
                except OSError:
                    return
                except Exception as e:  # http.client's errors of a closed connection
                    if type(e).__module__ == "http.client":
                        return
                    refused.append(repr(e))
                    return
                if reply.status == 200:
                    acknowledged[i].append(f"k{i}_{j}")
                elif reply.status == 503:
                    return
                else:
                    refused.append(repr(reply))
                    return

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        started.wait()
        while sum(map(len, acknowledged)) < 200 and any(t.is_alive() for t in threads):
            threads[0].join(0.01)
        server.stop()
        for t in threads:
            t.join()
        self.assertEqual([], refused)
        self.assertGreaterEqual(sum(map(len, acknowledged)), 200)
        server.start()
        client = server.client()
        for i in range(8):
            loaded = client.load_table("ns", f"t{i % 4}").json
            self.assertEqual(loaded["metadata"], read_metadata(loaded["metadata-location"]))
            self.assertLessEqual(set(acknowledged[i]), set(loaded["metadata"]["properties"]))
        server.stop()

    def test_commit_that_waits_is_finished(self):
        """SIGTERM while a commit is on its way: it is answered, and with the truth."""
        server = self.server(failpoints="commit_after_put=sleep:1500@1")
        server.start()
        client = server.client()
        client.create_namespace("ns")
        client.create_table("ns", "t")
        replies = []

        def send():
            replies.append(server.client().commit("ns", "t", [set_properties(a="b")]))

        thread = threading.Thread(target=send)
        thread.start()
        while not any("/00001-" in path for path in warehouse_files(server)) and thread.is_alive():
            thread.join(0.01)
        server.stop()
        thread.join()
        self.assertEqual(200, replies[0].status, repr(replies[0]))
        server.set_failpoints(None)
        server.start()
        self.assertEqual("b", server.client().load_table("ns", "t").json["metadata"]["properties"]["a"])
        server.stop()

    def test_release_knows_no_failpoints(self):
        program = os.environ.get("FIRN_BINARY")
        if program is None and os.environ.get("FIRN_VARIANT", "release") != "release":
            self.skipTest("a build for tests")
        with open(failpoint_binary(), "rb") as f:
            self.assertIn(b"commit_after_put", f.read())
        from tests.harness import binary
        with open(binary(), "rb") as f:
            content = f.read()
        for name in (b"commit_after_put", b"metastore_before_commit", b"FIRN_FAILPOINTS"):
            self.assertNotIn(name, content)

    def test_data_directory_is_private(self):
        server = self.server().start()
        self.assertEqual(0, os.stat(self.data).st_mode & 0o007)
        server.stop()

    def test_damaged_metastore_is_refused(self):
        server = self.server().start()
        server.client().create_namespace("ns")
        server.stop()
        files = [e.path for e in os.scandir(self.data) if e.is_file()]
        database = next(f for f in files if open(f, "rb").read(15) == b"SQLite format 3")
        with open(database, "r+b") as f:
            f.write(b"not a database at all, whatever it was")
        server.spawn()
        self.assertFalse(server.wait_ready())
        self.assertGreater(server.exit_status, 0)


if __name__ == "__main__":
    unittest.main()
