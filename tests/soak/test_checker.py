"""The checker must accept a correct history and reject each kind of broken one: a checker that
cannot fail proves nothing."""
import copy
import unittest

from tests.soak.checker import (MARK, OK, REFUSED, UNKNOWN, Load, Op, Table, check, check_name)


def location(n):
    return f"file:///w/t/metadata/{n:05}-{'x' * 8}{n}.metadata.json"


def document(snapshots, properties, n):
    listed, parent = [], None
    for i, snapshot in enumerate(snapshots):
        listed.append({"snapshot-id": snapshot, "sequence-number": i + 1,
                       "summary": {"added-records": "1", "total-records": str(i + 1)},
                       **({"parent-snapshot-id": parent} if parent else {})})
        parent = snapshot
    return {
        "table-uuid": "u", "location": "file:///w/t", "last-updated-ms": 1000 + n,
        "last-sequence-number": len(snapshots), "current-snapshot-id": parent or -1,
        "refs": {"main": {"type": "branch", "snapshot-id": parent}} if parent else {},
        "snapshots": listed, "snapshot-log": [{"snapshot-id": s} for s in snapshots],
        "properties": {p: "x" for p in properties},
        "metadata-log": [{"metadata-file": location(k), "timestamp-ms": 1000 + k}
                         for k in range(n)],
    }


def property_mark(name):
    return ("property", MARK + name)


class Checker(unittest.TestCase):
    """A table with six versions: create, append 11, property a, two commits folded into one version
    (append 12 and property b), append 13, and half of a transaction with table u."""

    def setUp(self):
        states = [([], []), ([11], []), ([11], ["a"]), ([11, 12], ["a", "b"]),
                  ([11, 12, 13], ["a", "b"]), ([11, 12, 13], ["a", "b", "t"])]
        files = {location(n): document(s, [MARK + p for p in ps], n)
                 for n, (s, ps) in enumerate(states)}
        rows = [self.row(1, 1), self.row(2, 2), self.row(3, 3), self.row(5, 4), self.row(6, 4),
                self.row(8, 5), self.row(10, 6)]
        other = {location(0): document([], [], 0), location(1): document([], [MARK + "t"], 1)}
        self.tables = {
            "t": Table(rows, files, {"metadata-location": location(5),
                                     "metadata": copy.deepcopy(files[location(5)])}),
            "u": Table([self.row(4, 1), self.row(11, 2)], other,
                       {"metadata-location": location(1),
                        "metadata": copy.deepcopy(other[location(1)])}),
        }
        self.ops = {
            "11": self.op({"t": ("snapshot", 11)}, 1, 2, OK, location(1)),
            "a": self.op({"t": property_mark("a")}, 3, 4, OK, location(2)),
            "12": self.op({"t": ("snapshot", 12)}, 5, 7, OK, location(3)),
            "b": self.op({"t": property_mark("b")}, 5.5, 7.5, OK, location(3)),
            "13": self.op({"t": ("snapshot", 13)}, 8, None, UNKNOWN),
            "14": self.op({"t": ("snapshot", 14)}, 8, None, UNKNOWN),
            "15": self.op({"t": ("snapshot", 15)}, 8, 9, REFUSED),
            "tx": self.op({"t": property_mark("t"), "u": property_mark("t")}, 10, 11, OK),
        }
        self.loads = [Load("t", 1, 0.5, 0.6, location(0)), Load("t", 1, 2.5, 2.6, location(1)),
                      Load("t", 2, 5.1, 7, location(3)), Load("t", 1, 12, 13, location(5))]

    @staticmethod
    def row(sequence, version):
        return {"sequence": sequence, "version": version, "metadata-location": location(version - 1),
                "previous-metadata-location": location(version - 2) if version > 1 else None,
                "commit-id": f"c{sequence}"}

    @staticmethod
    def op(marks, sent, answered, outcome, where=None):
        return Op(marks, sent, answered, outcome, where, what=str(marks))

    def faults(self):
        return check(self.tables, list(self.ops.values()), self.loads)

    def rejected(self, fragment):
        faults = self.faults()
        self.assertTrue(any(fragment in f for f in faults), f"not found: {fragment} in {faults}")

    @property
    def t(self):
        return self.tables["t"]

    def file(self, n):
        return self.t.files[location(n)]

    def test_correct(self):
        self.assertEqual([], self.faults())

    def test_lost(self):
        self.ops["14"].outcome, self.ops["14"].answered = OK, 9
        self.rejected("lost")

    def test_lost_later(self):
        """The commit was there and the next one was built on something older."""
        for n in (3, 4, 5):
            del self.file(n)["properties"][MARK + "a"]
        self.rejected("version 4 lost")

    def test_refused_but_landed(self):
        self.ops["13"].outcome, self.ops["13"].answered = REFUSED, 9
        self.rejected("refused and landed")

    def test_doubled_in_its_own_version(self):
        """The same property commit applied again: a version that brings nothing new."""
        self.t.rows.append(self.row(12, 7))
        self.t.files[location(6)] = document([11, 12, 13], [MARK + p for p in "abt"], 6)
        self.t.loaded = {"metadata-location": location(6), "metadata": self.t.files[location(6)]}
        self.rejected("done twice")

    def test_doubled_in_a_folded_version(self):
        self.t.rows.insert(5, self.row(7, 4))
        self.rejected("done twice")

    def test_doubled_snapshot(self):
        self.file(5)["snapshots"].append(dict(self.file(5)["snapshots"][-1]))
        self.rejected("a snapshot twice")

    def test_doubled_commit_id(self):
        self.t.rows[2]["commit-id"] = "c1"
        self.rejected("a commit id twice")

    def test_fork(self):
        fork = dict(self.row(9, 5), **{"metadata-location": location(77)})
        self.t.rows.insert(6, fork)
        self.rejected("fork")

    def test_fork_by_parent(self):
        self.t.rows[4]["previous-metadata-location"] = location(1)
        self.rejected("fork")

    def test_broken_link(self):
        self.t.rows[5]["previous-metadata-location"] = location(2)
        self.rejected("broken link")

    def test_gap(self):
        del self.t.rows[2]
        self.rejected("gap")

    def test_back_to_an_older_file(self):
        self.t.rows[5]["metadata-location"] = location(2)
        self.rejected("older file again")

    def test_order_of_rows(self):
        self.t.rows[3]["sequence"] = 2
        self.rejected("sequence 2 after 3")

    def test_torn_file(self):
        self.t.files[location(2)] = None
        self.rejected("missing or torn")

    def test_missing_file(self):
        del self.t.files[location(4)]
        self.rejected("missing or torn")

    def test_half_a_transaction(self):
        u = self.tables["u"]
        u.rows.pop()
        u.loaded = {"metadata-location": location(0), "metadata": u.files[location(0)]}
        for outcome in (UNKNOWN, OK, REFUSED):
            self.ops["tx"].outcome = outcome
            self.rejected("half a transaction")

    def test_transaction_in_two_steps(self):
        self.tables["u"].rows[1]["sequence"] = 13
        self.rejected("not one point in time")

    def test_wrong_location_told(self):
        self.ops["a"].location = location(1)
        self.rejected("was told version 2")
        self.ops["a"].location = "file:///elsewhere"
        self.rejected("which history does not know")

    def test_a_repeat_may_be_told_a_later_location(self):
        self.ops["a"].resent = True
        self.ops["a"].location = location(4)
        self.assertEqual([], self.faults())
        self.ops["a"].location = location(1)
        self.rejected("was told version 2")

    def test_real_time_order(self):
        self.ops["b"].sent, self.ops["12"].answered = 7.2, 7.1  # b after 12, but in one version
        self.rejected("was sent after")

    def test_mark_of_nobody(self):
        del self.ops["13"]
        self.rejected("was never sent")

    def test_stale_load(self):
        self.loads.append(Load("t", 3, 12, 13, location(2)))
        self.rejected("stale load")

    def test_load_of_the_future(self):
        self.loads.append(Load("t", 3, 0.1, 0.2, location(1)))
        self.rejected("before it was sent")

    def test_load_goes_back(self):
        self.loads.append(Load("t", 2, 6.9, 7, location(2)))
        self.rejected("then version 3")

    def test_load_of_an_unknown_file(self):
        self.loads.append(Load("t", 3, 12, 13, location(99)))
        self.rejected("unknown to history")

    def test_head_is_not_the_last_row(self):
        self.t.loaded["metadata-location"] = location(4)
        self.rejected("history ends in")

    def test_head_is_not_the_file(self):
        self.t.loaded["metadata"]["properties"]["x"] = "y"
        self.rejected("something else than the file")

    def test_metadata_log(self):
        self.file(4)["metadata-log"].pop()
        self.rejected("does not end in its parent")

    def test_metadata_log_time(self):
        self.file(4)["metadata-log"][-1]["timestamp-ms"] -= 1
        self.rejected("time is not its parent's")

    def test_time_goes_back(self):
        self.file(5)["last-updated-ms"] = 1
        self.rejected("time goes back")

    def test_snapshot_log(self):
        self.file(5)["snapshot-log"].pop()
        self.rejected("snapshot log")

    def test_sequence_numbers(self):
        self.file(5)["snapshots"][2]["sequence-number"] = 2
        self.rejected("sequence number")

    def test_parents(self):
        self.file(5)["snapshots"][2]["parent-snapshot-id"] = 11
        self.rejected("is not a child of")

    def test_sums(self):
        self.file(5)["snapshots"][2]["summary"]["total-records"] = "2"
        self.rejected("total-records")

    def test_current(self):
        self.file(5)["current-snapshot-id"] = 12
        self.rejected("current-snapshot-id")
        self.file(5)["refs"]["main"]["snapshot-id"] = 12
        self.rejected("main is not the last snapshot")

    def test_identity(self):
        self.file(5)["table-uuid"] = "v"
        self.rejected("another uuid")
        self.file(5)["location"] = "file:///w/x"
        self.rejected("another location")

    def test_file_numbers(self):
        moved = location(7)
        self.t.files[moved] = self.t.files.pop(location(5))
        self.t.rows[-1]["metadata-location"] = moved
        self.t.loaded["metadata-location"] = moved
        self.rejected("file number 7 after 4")


def view_document(queries):
    ids = list(range(1, len(queries) + 1))
    return {"view-uuid": "u", "location": "file:///w/v", "current-version-id": ids[-1],
            "versions": [{"version-id": i, "representations": [{"sql": q}]}
                         for i, q in zip(ids, queries)],
            "version-log": [{"version-id": i} for i in ids]}


class Views(unittest.TestCase):
    """A view with three versions of its metadata: create, replace a, two replaces b and c folded."""

    def setUp(self):
        queries = [["1"], ["1", MARK + "a"], ["1", MARK + "a", MARK + "b", MARK + "c"]]
        self.files = {location(n): view_document(q) for n, q in enumerate(queries)}
        rows = [Checker.row(1, 1), Checker.row(2, 2), Checker.row(3, 3), Checker.row(4, 3)]
        self.view = Table(rows, self.files, {"metadata-location": location(2),
                                             "metadata": copy.deepcopy(self.files[location(2)])})
        self.ops = [Checker.op({"v": ("query", MARK + q)}, n, n + 0.5, OK, location(min(int(n), 2)))
                    for n, q in ((1, "a"), (2, "b"), (2.1, "c"))]

    def rejected(self, fragment):
        self.view.loaded["metadata"] = self.files[location(2)]
        faults = check({"v": self.view}, self.ops)
        self.assertTrue(any(fragment in f for f in faults), f"not found: {fragment} in {faults}")

    def test_correct(self):
        self.assertEqual([], check({"v": self.view}, self.ops))

    def test_lost(self):
        self.files[location(2)] = view_document(["1", MARK + "b", MARK + "c"])
        self.rejected("version 3 lost")

    def test_overwritten(self):
        self.files[location(2)] = view_document(["1", MARK + "a", MARK + "c"])
        self.rejected("lost:")

    def test_doubled(self):
        self.files[location(2)] = view_document(["1"] + [MARK + q for q in "abcc"])
        self.rejected("a query twice")

    def test_numbers(self):
        self.files[location(2)]["versions"][3]["version-id"] = 3
        self.rejected("versions [1, 2, 3, 3]")

    def test_log(self):
        self.files[location(2)]["version-log"].pop()
        self.rejected("the version log is not the versions")

    def test_current(self):
        self.files[location(2)]["current-version-id"] = 3
        self.rejected("the current version is not the last")

    def test_identity(self):
        self.files[location(2)]["view-uuid"] = "w"
        self.rejected("another uuid")


class Names(unittest.TestCase):
    def test_right(self):
        for steps, final in ([[("create", 200)], True], [[("create", 200), ("drop", 204)], False],
                             [[("create", None)], True], [[("create", None)], False],
                             [[("create", None), ("create", 409)], True],
                             [[("create", 0)], False], [[("create", 200), ("drop", None)], True],
                             [[("create", 200), ("drop", None), ("drop", 404)], False]):
            self.assertEqual([], check_name("n", steps, final), steps)

    def test_wrong(self):
        for steps, final in ([[("create", 200)], False], [[("create", 200), ("drop", 204)], True],
                             [[("create", 0)], True], [[("create", 409)], True],
                             [[("create", 200), ("create", 200)], True],
                             [[("create", 200), ("drop", 404)], False],
                             [[("create", None), ("create", 409)], False]):
            self.assertNotEqual([], check_name("n", steps, final), steps)


if __name__ == "__main__":
    unittest.main()
