"""What the tests of the engines share: a catalog to talk to, and a main that runs and counts."""
import argparse
import os
import sys
import time
import unittest
import uuid

from tests.harness import Server
from tests.run_unittest import Result

ADDRESS = "FIRN_TEST_URI"  # also for the processes that a test starts


def address():
    return os.environ[ADDRESS]


class EngineTest(unittest.TestCase):
    """Each test has a namespace of its own."""

    def fresh_name(self, start):
        return f"{start}_{uuid.uuid4().hex[:10]}"


def run(module):
    """Runs the tests of a module, `script.py [URI] [--only TEST]`, and ends with `N passed, N failed`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("uri", nargs="?", help="of a running catalog; without: one of our own")
    parser.add_argument("--only", default="", help="tests whose name contains this")
    arguments = parser.parse_args()
    if arguments.uri:
        os.environ[ADDRESS] = arguments.uri
        return run_tests(module, arguments.only)
    server = Server(args=["--access-log", "true"])
    try:
        server.start()
        os.environ[ADDRESS] = server.url
        status = run_tests(module, arguments.only)
        server.stop()
    finally:
        server.close()
    return status


class TimedResult(Result):
    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.started:.1f} s")


def run_tests(module, only):
    tests = unittest.TestSuite(test for group in unittest.defaultTestLoader.loadTestsFromModule(module)
                               for test in group if only in test.id())
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=TimedResult, verbosity=2).run(tests)
    outside = [i for i in result.bad if i.startswith(("setUp", "tearDown"))]
    passed = result.testsRun - (len(result.bad) - len(outside)) - len(result.skipped)
    print(f"{passed} passed, {len(result.bad)} failed")
    return 1 if result.bad or not passed else 0
