"""Judges what writers saw against what the catalog kept (reliability.md 1.2). No search is needed:
every commit leaves a mark of its own (a snapshot id, a property key or a view's query), history rows
name their parents, and so each object's commits form one chain in which every mark has one place.

Marks are ("snapshot", id), ("property", key) and ("query", sql)."""
import dataclasses
import os
import re

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
MARK = "mark."  # property keys and queries of commits begin so


@dataclasses.dataclass
class Op:
    """A commit or transaction as its client saw it. Times are of one monotonic clock."""
    marks: dict                # table -> mark
    sent: float
    answered: float = None     # None: never
    outcome: str = UNKNOWN
    location: str = None       # metadata-location of the answer to a commit
    resent: bool = False       # the answer is one to a repeat: its location may be a later one
    what: str = ""


@dataclasses.dataclass
class Load:
    table: str
    client: int
    sent: float
    answered: float
    location: str


@dataclasses.dataclass
class Table:
    """A table or view, as it was found in the end. `rows`: its history rows, oldest first; `files`: location ->
    document, or None when it is missing or not whole; `loaded`: the answer to a load."""
    rows: list
    files: dict
    loaded: dict


def marks_of(document):
    found = {("snapshot", s["snapshot-id"]) for s in document.get("snapshots", [])}
    found |= {("property", k) for k in document.get("properties", {}) if k.startswith(MARK)}
    queries = [r["sql"] for v in document.get("versions", []) for r in v["representations"]]
    return found | {("query", sql) for sql in queries if sql.startswith(MARK)}


def file_number(location):
    found = re.match(r"(\d+)-", os.path.basename(location))
    return int(found.group(1)) if found else None


class Chain:
    """The versions of one table: [(location, rows, new marks)], and where each mark is."""

    def __init__(self, name, table, faults):
        self.name, self.faults = name, faults
        self.locations, self.rows = [], []
        self.place = {}  # mark -> index of the version that brought it
        self.read_rows(table.rows)
        self.read_files(table.files)
        self.index = {location: i for i, location in enumerate(self.locations)}
        self.check_head(table)

    def fault(self, text):
        self.faults.append(f"{self.name}: {text}")

    def read_rows(self, rows):
        last_sequence = 0
        for row in rows:
            if row["sequence"] <= last_sequence:
                self.fault(f"sequence {row['sequence']} after {last_sequence}")
            last_sequence = row["sequence"]
            version, location = row["version"], row["metadata-location"]
            previous = row["previous-metadata-location"]
            if version == len(self.locations) and self.locations:
                if location != self.locations[-1]:
                    self.fault(f"fork: version {version} is {self.locations[-1]} and {location}")
                parent = self.locations[-2] if version > 1 else None
                if previous != parent:
                    self.fault(f"fork: version {version} has parents {parent} and {previous}")
                self.rows[-1].append(row)
                continue
            if version != len(self.locations) + 1:
                self.fault(f"gap: version {version} after {len(self.locations)}")
            parent = self.locations[-1] if self.locations else None
            if previous != parent:
                self.fault(f"broken link: the parent of version {version} is {previous}, "
                           f"before it stands {parent}")
            if location in self.locations:
                self.fault(f"version {version} is an older file again: {location}")
            self.locations.append(location)
            self.rows.append([row])
        if not self.locations:
            self.fault("no history")
        ids = [r["commit-id"] for r in rows]
        if len(set(ids)) != len(ids):
            self.fault("a commit id twice")

    def read_files(self, files):
        before, before_marks = None, set()
        for i, location in enumerate(self.locations):
            document = files.get(location)
            if document is None:
                self.fault(f"version {i + 1}: {location} is missing or torn")
                continue
            marks = marks_of(document)
            for lost in before_marks - marks:
                self.fault(f"version {i + 1} lost {lost}")
            new = marks - before_marks
            for mark in new:
                self.place[mark] = i
            if i > 0 and len(new) != len(self.rows[i]):
                self.fault(f"version {i + 1} has {len(self.rows[i])} history rows for "
                           f"{len(new)} commits: done twice, or done in vain")
            self.check_document(i, document, before)
            before, before_marks = document, marks

    def check_document(self, i, document, before):
        where = f"version {i + 1}"
        if "view-uuid" in document:
            self.check_view(where, document)
        else:
            self.check_table(where, i, document, before)
        if before is None:
            return
        for member, name in (("table-uuid", "uuid"), ("view-uuid", "uuid"), ("location", "location")):
            if document.get(member) != before.get(member):
                self.fault(f"{where}: another {name}")
        numbers = file_number(self.locations[i - 1]), file_number(self.locations[i])
        if None in numbers or numbers[1] != numbers[0] + 1:
            self.fault(f"{where}: file number {numbers[1]} after {numbers[0]}")

    def check_view(self, where, document):
        """Its versions are never trimmed in these runs, and each became current once."""
        ids = [v["version-id"] for v in document["versions"]]
        if ids != list(range(1, len(ids) + 1)):
            self.fault(f"{where}: versions {ids}")
        if [e["version-id"] for e in document["version-log"]] != ids:
            self.fault(f"{where}: the version log is not the versions")
        if document["current-version-id"] != ids[-1]:
            self.fault(f"{where}: the current version is not the last")
        queries = [v["representations"][0]["sql"] for v in document["versions"]]
        if len(set(queries)) != len(queries):
            self.fault(f"{where}: a query twice")

    def check_table(self, where, i, document, before):
        snapshots = document["snapshots"]
        ids = [s["snapshot-id"] for s in snapshots]
        if len(set(ids)) != len(ids):
            self.fault(f"{where}: a snapshot twice")
        total, parent = 0, None
        for n, snapshot in enumerate(snapshots):
            if snapshot.get("parent-snapshot-id") != parent:
                self.fault(f"{where}: snapshot {snapshot['snapshot-id']} is not a child of {parent}")
            if snapshot.get("sequence-number") != n + 1:
                self.fault(f"{where}: sequence number {snapshot.get('sequence-number')} "
                           f"at place {n + 1}")
            total += int(snapshot["summary"]["added-records"])
            if int(snapshot["summary"]["total-records"]) != total:
                self.fault(f"{where}: total-records is not the sum of added-records")
            parent = snapshot["snapshot-id"]
        if document["last-sequence-number"] != len(snapshots):
            self.fault(f"{where}: last-sequence-number {document['last-sequence-number']} "
                       f"of {len(snapshots)} snapshots")
        if (document.get("current-snapshot-id") or -1) != (ids[-1] if ids else -1):
            self.fault(f"{where}: current-snapshot-id is not the last snapshot")
        if ids and document["refs"]["main"]["snapshot-id"] != ids[-1]:
            self.fault(f"{where}: main is not the last snapshot")
        logged = [e["snapshot-id"] for e in document["snapshot-log"]]
        if logged != ids:
            self.fault(f"{where}: the snapshot log is not the snapshots")
        if before is None:
            if document["metadata-log"]:
                self.fault(f"{where}: the first file has a metadata log")
            return
        log = document["metadata-log"]
        if not log or log[-1]["metadata-file"] != self.locations[i - 1]:
            self.fault(f"{where}: the metadata log does not end in its parent")
        elif log[-1]["timestamp-ms"] != before["last-updated-ms"]:
            self.fault(f"{where}: the metadata log's time is not its parent's")
        times = [e["timestamp-ms"] for e in log] + [document["last-updated-ms"]]
        if times != sorted(times):
            self.fault(f"{where}: time goes back")

    def check_head(self, table):
        if not self.locations:
            return
        if table.loaded["metadata-location"] != self.locations[-1]:
            self.fault(f"a load answers {table.loaded['metadata-location']}, "
                       f"history ends in {self.locations[-1]}")
        elif table.loaded["metadata"] != table.files.get(self.locations[-1]):
            self.fault("a load answers something else than the file")


def check(tables, ops, loads=()):
    """tables: name -> Table. Returns the faults, as texts; none is the verdict 'correct'."""
    faults = []
    chains = {name: Chain(name, table, faults) for name, table in tables.items()}
    claimed = {}
    for op in ops:
        check_op(op, chains, claimed, faults)
    for name, chain in chains.items():
        for mark in set(chain.place) - claimed.get(name, set()):
            faults.append(f"{name}: {mark} was never sent")
        mine = [op for op in ops if name in op.marks]
        check_order(chain, mine, faults)
        check_loads(chain, mine, [x for x in loads if x.table == name], faults)
    return faults


def check_op(op, chains, claimed, faults):
    places = {}
    for name, mark in op.marks.items():
        if mark in claimed.setdefault(name, set()):
            raise ValueError(f"two operations share {mark}")
        claimed[name].add(mark)
        places[name] = chains[name].place.get(mark)
    landed = [place is not None for place in places.values()]
    if op.outcome == OK and not all(landed):
        faults.append(f"lost: {op.what} was acknowledged, {op.marks} are at {places}")
    if op.outcome == REFUSED and any(landed):
        faults.append(f"{op.what} was refused and landed all the same: {op.marks} at {places}")
    if any(landed) and not all(landed):
        faults.append(f"half a transaction: {op.what}: {op.marks} at {places}")
    if op.location is not None and op.outcome == OK and all(landed):
        (name, place), = places.items()
        told = chains[name].index.get(op.location)
        if told is None:
            faults.append(f"{name}: {op.what} was told {op.location}, which history does not know")
        elif told != place and not (op.resent and told > place):
            faults.append(f"{name}: {op.what} was told version {told + 1}, "
                          f"its mark came with version {place + 1}")
    if len(places) > 1 and all(landed):
        check_transaction(op, places, chains, faults)


def check_transaction(op, places, chains, faults):
    """A transaction is a change of its own: one row per table, side by side."""
    rows = [chains[name].rows[place] for name, place in places.items()]
    if any(len(r) != 1 for r in rows):
        faults.append(f"{op.what} shares a version with another commit")
        return
    sequences = sorted(r[0]["sequence"] for r in rows)
    if sequences[-1] - sequences[0] != len(sequences) - 1:
        faults.append(f"{op.what} is not one point in time: history sequences {sequences}")


def check_order(chain, ops, faults):
    """What was acknowledged before something else was sent stands before it."""
    acknowledged = sorted((op.answered, chain.place[op.marks[chain.name]], op) for op in ops
                          if op.outcome == OK and op.marks[chain.name] in chain.place)
    newest, newest_op, i = -1, None, 0
    for op in sorted(ops, key=lambda op: op.sent):
        while i < len(acknowledged) and acknowledged[i][0] < op.sent:
            if acknowledged[i][1] > newest:
                newest, newest_op = acknowledged[i][1], acknowledged[i][2]
            i += 1
        place = chain.place.get(op.marks[chain.name])
        if place is not None and place <= newest:
            faults.append(f"{chain.name}: {op.what} was sent after {newest_op.what} was "
                          f"acknowledged, but stands at version {place + 1}, not behind "
                          f"version {newest + 1}")


def check_loads(chain, ops, loads, faults):
    """A load shows what was acknowledged before it, nothing that was sent after it, and never less
    than the same client saw before."""
    seen = {}
    for load in sorted(loads, key=lambda load: load.sent):
        place = chain.index.get(load.location)
        if place is None:
            faults.append(f"{chain.name}: a load answered {load.location}, unknown to history")
            continue
        if place < seen.get(load.client, -1):
            faults.append(f"{chain.name}: a client saw version {seen[load.client] + 1}, "
                          f"then version {place + 1}")
        seen[load.client] = place
        for op in ops:
            stands = chain.place.get(op.marks[chain.name])
            if stands is None:
                continue
            if op.outcome == OK and op.answered < load.sent and stands > place:
                faults.append(f"{chain.name}: stale load: version {place + 1} after version "
                              f"{stands + 1} was acknowledged")
            if op.sent > load.answered and stands <= place:
                faults.append(f"{chain.name}: a load showed {op.what} before it was sent")


# ---- names ------------------------------------------------------------------------------------

PRESENT, ABSENT = "present", "absent"
# action -> answer -> (states in which that answer is right, states after it)
NAME_RULES = {
    ("create", 200): ({ABSENT}, {PRESENT}), ("create", 409): ({PRESENT}, {PRESENT}),
    ("drop", 204): ({PRESENT}, {ABSENT}), ("drop", 404): ({ABSENT}, {ABSENT}),
}
WISHES = {"create": PRESENT, "drop": ABSENT}


def check_name(name, steps, final):
    """One writer's steps on one name: [(action, status)], status None when nothing is known, 0 when
    it was surely not done. `final`: whether it exists now. Returns faults."""
    faults = []
    states = {ABSENT}
    for action, status in steps:
        if status is None:
            states = states | {WISHES[action]}
        elif status != 0:
            right, after = NAME_RULES[action, status]
            if not states & right:
                faults.append(f"{name}: {action} answered {status} when it was {states}")
            states = set(after)
    found = PRESENT if final else ABSENT
    if found not in states:
        faults.append(f"{name}: is {found}, must be {states} after {steps}")
    return faults
