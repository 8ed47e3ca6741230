#!/usr/bin/env python3
"""Runs Python tests by dotted names and ends with `N passed, N failed`: a test with several failing
sub-tests is one that failed. When tests were skipped, `, N skipped` follows, and before it a line
`skipped: NAME: REASON` for each.

    run_unittest.py NAME..."""
import sys
import unittest
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not tests/, where `http` hides Python's


# What ends outside of a test has an id of its own and was not counted as run.
OUTSIDE = ("setUpClass", "tearDownClass", "setUpModule", "tearDownModule")


class Result(unittest.TextTestResult):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.bad = set()

    def note(self, test):
        self.bad.add(getattr(test, "test_case", test).id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test)

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result).run(suite)
    inside = [i for i in (*result.bad, *(test.id() for test, _ in result.skipped))
              if not i.startswith(OUTSIDE)]
    passed = result.testsRun - len(inside)
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    print(f"{passed} passed, {len(result.bad)} failed"
          + (f", {len(result.skipped)} skipped" if result.skipped else ""))
    return 1 if result.bad else 0


if __name__ == "__main__":
    sys.exit(main())
