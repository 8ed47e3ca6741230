"""Where tables and views may lie (reliability.md 3.1): every endpoint that takes a location against the
corpus of tests/data/locations; who comes first keeps others away, also from the places of his
properties, and also when both come at once."""
import json
import os
import threading
from pathlib import Path

from tests.harness import (BAD_REQUEST, FirnTest, Server, append, create_updates, local_path,
                           set_properties, snapshot, state_of)
from tests.http.test_views import SCHEMA as VIEW_SCHEMA
from tests.http.test_views import version

PATHS = ("write.data.path", "write.metadata.path", "write.object-storage.path",
         "write.folder-storage.path")
ROUNDS = 25
CORPUS = Path(__file__).parent.parent / "data/locations/corpus.txt"


def set_location(location):
    return {"action": "set-location", "location": location}


class LocationTest(FirnTest):
    def setUp(self):
        super().setUp()
        self.ns = self.fresh_namespace()
        self.root = self.fresh_table(self.ns)[2]["metadata"]["location"].rsplit("/", 2)[0]

    def place(self):
        return f"{self.root}/places/{self.fresh_name('p')}"

    def table(self, **fields):
        return self.fresh_table(self.ns, **fields)[1]

    def view_path(self, name=""):
        return self.client.ns_path(self.ns, "/views" + ("/" + name if name else ""))

    def create_view(self, name, **fields):
        return self.client.post(self.view_path(), {
            "name": name, "schema": VIEW_SCHEMA, "view-version": version(), "properties": {},
            **fields})

    def refused(self, reply):
        self.assert_error(reply, 400, BAD_REQUEST)

    def at_once(self, *works):
        """The statuses of the works, each with a client of its own, begun at the same time."""
        begin = threading.Barrier(len(works))
        statuses = [None] * len(works)

        def run(i):
            client = self.server.client()
            begin.wait()
            statuses[i] = works[i](client).status
            client.close()

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return statuses


class Paths(LocationTest):
    """A property that names a place outside of the table's own: L03, L05."""

    def test_a_path_keeps_others_away(self):
        for path in PATHS:
            with self.subTest(path):
                place, owner, other = self.place(), self.table(), self.table()
                self.assert_commits(self.ns, owner, [set_properties(**{path: place + "/d"})])
                for taken in (place + "/d", place + "/d/deeper", place, place + "/d/"):
                    self.refused(self.client.create_table(self.ns, "x", location=taken))
                    self.refused(self.create_view("x", location=taken))
                    self.refused(self.client.commit(self.ns, other, [set_location(taken)]))
                    for another in PATHS:
                        self.refused(self.client.commit(
                            self.ns, other, [set_properties(**{another: taken})]))
                        self.refused(self.client.create_table(self.ns, "x",
                                                              properties={another: taken}))
                        self.refused(self.create_view("x", properties={another: taken}))
                self.assert_commits(self.ns, other, [set_properties(**{path: place + "/d1"})])
                self.assert_commits(self.ns, owner, [set_properties(again="1")])

    def test_a_path_at_create(self):
        place = self.place()
        self.table(properties={"write.data.path": place})
        self.refused(self.client.create_table(self.ns, "x", location=place + "/t"))

    def test_a_path_of_a_view(self):
        place = self.place()
        self.assert_status(200, self.create_view("v", properties={"write.metadata.path": place}))
        self.refused(self.client.create_table(self.ns, "x", location=place))
        other = self.table()
        self.refused(self.client.commit(self.ns, other, [
            set_properties(**{"write.data.path": place + "/x"})]))
        self.assert_status(200, self.client.post(self.view_path("v"), {"requirements": [], "updates": [
            {"action": "remove-properties", "removals": ["write.metadata.path"]}]}))
        self.assert_commits(self.ns, other, [set_properties(**{"write.data.path": place + "/x"})])

    def test_a_path_that_is_given_up_is_free(self):
        place, owner, other = self.place(), self.table(), self.table()
        take = [set_properties(**{"write.data.path": place})]
        self.assert_commits(self.ns, owner, take)
        self.refused(self.client.commit(self.ns, other, take))
        self.assert_commits(self.ns, owner, [
            {"action": "remove-properties", "removals": ["write.data.path"]}])
        self.assert_commits(self.ns, other, take)
        self.refused(self.client.commit(self.ns, owner, take))
        self.assert_status(204, self.client.drop_table(self.ns, other))
        self.assert_commits(self.ns, owner, take)

    def test_a_path_goes_with_a_rename(self):
        place, owner, other = self.place(), self.table(), self.table()
        take = [set_properties(**{"write.data.path": place})]
        self.assert_commits(self.ns, owner, take)
        self.assert_status(204, self.client.rename((self.ns, owner), (self.ns, owner + "2")))
        self.refused(self.client.commit(self.ns, other, take))

    def test_a_registered_path(self):
        place, owner = self.place(), self.table()
        made = self.assert_commits(self.ns, owner, [set_properties(**{"write.data.path": place})])
        self.assert_status(204, self.client.drop_table(self.ns, owner))
        other = self.table()
        take = [set_properties(**{"write.data.path": place})]
        self.assert_commits(self.ns, other, take)
        self.refused(self.client.register(self.ns, owner, made["metadata-location"]))
        self.assert_status(204, self.client.drop_table(self.ns, other))
        self.assert_status(200, self.client.register(self.ns, owner, made["metadata-location"]))
        self.refused(self.client.create_table(self.ns, "x", location=place))

    def test_own_places_may_overlap(self):
        place, owner = self.place(), self.table(location=self.place())
        own = self.load(self.ns, owner)["metadata"]["location"]
        self.assert_commits(self.ns, owner, [set_properties(**{
            "write.data.path": place, "write.object-storage.path": place,
            "write.folder-storage.path": place + "/below", "write.metadata.path": own + "/m"})])

    def test_in_a_transaction(self):
        place, one, two = self.place(), self.table(), self.table()
        take = [set_properties(**{"write.data.path": place})]
        self.refused(self.client.transaction([(self.ns, one, take), (self.ns, two, take)]))
        for name in (one, two):
            self.assertNotIn("write.data.path", self.load(self.ns, name)["metadata"]["properties"])
        self.assert_commits(self.ns, one, take)
        self.refused(self.client.transaction([(self.ns, two, take)]))

    def test_after_a_restart(self):
        place, owner, other = self.place(), self.table(), self.table()
        take = [set_properties(**{"write.data.path": place})]
        self.assert_commits(self.ns, owner, take)
        self.server.stop()
        self.server.start()
        self.refused(self.client.commit(self.ns, other, take))


class Races(LocationTest):
    """Two who want places that overlap: the look before either sees nothing, one of them wins."""

    def one_wins(self, *works):
        statuses = self.at_once(*works)
        self.assertEqual(1, statuses.count(200), statuses)
        self.assertEqual({200, 400}, set(statuses))

    def test_creates_of_parent_and_child(self):
        for i in range(ROUNDS):
            place = self.place()
            ns = self.ns
            self.one_wins(
                lambda client: client.create_table(ns, f"p{i}", location=place),
                lambda client: client.create_table(ns, f"c{i}", location=place + "/a/b"),
                lambda client: client.create_table(ns, f"s{i}", location=place + "/"))

    def test_create_and_set_location(self):
        ns, other = self.ns, self.table()
        for i in range(ROUNDS):
            place = self.place()
            self.one_wins(
                lambda client: client.create_table(ns, f"p{i}", location=place),
                lambda client: client.commit(ns, other, [set_location(place + "/x")]))

    def test_two_set_locations(self):
        ns, one, two = self.ns, self.table(), self.table()
        for _ in range(ROUNDS):
            place = self.place()
            self.one_wins(lambda client: client.commit(ns, one, [set_location(place)]),
                          lambda client: client.commit(ns, two, [set_location(place + "/x")]))

    def test_two_paths(self):
        ns, one, two = self.ns, self.table(), self.table()
        for i in range(ROUNDS):
            place = self.place()
            self.one_wins(
                lambda client: client.commit(ns, one, [set_properties(**{PATHS[i % 4]: place})]),
                lambda client: client.commit(ns, two, [set_properties(**{PATHS[0]: place + "/x"})]))

    def test_path_and_create(self):
        ns, one = self.ns, self.table()
        for i in range(ROUNDS):
            place = self.place()
            self.one_wins(
                lambda client: client.commit(ns, one, [set_properties(**{PATHS[i % 4]: place})]),
                lambda client: client.create_table(ns, f"p{i}", location=place))

    def test_refusals_hit_nobody_else(self):
        """Commits that wait behind one that is refused for its place are applied."""
        ns, one, two = self.ns, self.table(), self.table()
        for i in range(ROUNDS):
            place = self.place()
            take = [set_properties(**{PATHS[0]: place})]
            statuses = self.at_once(
                lambda client: client.commit(ns, one, take),
                lambda client: client.commit(ns, two, take),
                *[lambda client, j=j: client.commit(ns, two, [set_properties(**{f"k{i}.{j}": "1"})])
                  for j in range(4)])
            self.assertEqual([200, 400], sorted(statuses[:2]))
            self.assertEqual([200] * 4, statuses[2:])


class Recreated(LocationTest):
    """L10: what is dropped and created again lies elsewhere; old credentials lead to nothing."""

    def test_another_prefix(self):
        seen = set()
        for _ in range(5):
            location = self.fresh_table(self.ns, "again")[2]["metadata"]["location"]
            self.assertNotIn(location, seen)
            seen.add(location)
            self.assert_status(204, self.client.drop_table(self.ns, "again"))
        for place in seen:
            self.assertTrue(place.startswith(f"{self.root}/{self.ns}/again-"), place)

    def test_another_prefix_for_views(self):
        seen = set()
        for _ in range(3):
            reply = self.assert_status(200, self.create_view("again"))
            seen.add(reply.json["metadata"]["location"])
            self.assert_status(204, self.client.delete(self.view_path("again")))
        self.assertEqual(3, len(seen))

    def test_unless_it_is_turned_off(self):
        server = Server(args=("--unique-table-locations", "false"))
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        self.assert_status(200, client.create_namespace("n"))
        seen = set()
        for _ in range(2):
            seen.add(self.assert_status(200, client.create_table("n", "again"))
                     .json["metadata"]["location"])
            self.assert_status(204, client.drop_table("n", "again"))
        self.assertEqual(1, len(seen))
        client.close()
        server.stop()


class Corpus(LocationTest):
    """Each line of the corpus against each endpoint that takes a location: L02, L05, L06, L07."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.server.client()
        assert client.create_namespace("corpus").status == 200
        cls.t, cls.other = (client.create_table("corpus", name).json for name in ("t", "other"))
        updates, requirements = append(cls.t["metadata"])
        cls.t = client.commit("corpus", "t", updates, requirements).json
        assert client.post("/v1/namespaces/corpus/views", {
            "name": "v", "schema": VIEW_SCHEMA, "view-version": version(), "properties": {},
        }).status == 200
        client.close()
        with open(CORPUS, encoding="utf-8") as f:
            lines = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
        assert len(lines) >= 500
        cls.corpus = [(verdict, cls.filled(json.loads(text))) for verdict, text in lines]

    @classmethod
    def filled(cls, text):
        other = cls.other["metadata"]["location"]
        root = other.rsplit("/", 2)[0]
        path = local_path(root)
        for name, value in {"data": "file://" + cls.server.data, "root": root, "path": path,
                            "rel": path[1:], "upper": "file://" + path.upper(), "cut": root[:-1],
                            "ns": "corpus", "other": other, "other_path": local_path(other)}.items():
            text = text.replace("{%s}" % name, value)
        return text

    def refuses(self, send, verdicts=("malformed", "outside", "parent", "taken"),
                statuses=(400,)):
        """`send(place)` is refused for every line of these verdicts, and leaves nothing behind."""
        before, history = state_of(self.server, self.client), len(self.client.history())
        for verdict, place in self.corpus:
            if verdict not in verdicts:
                continue
            reply = send(place)
            if reply.status not in statuses:
                self.fail(f"{verdict}: {place!r}: {reply!r}")
            if reply.status == 400:
                self.assertIn(reply.error["type"], BAD_REQUEST, place)
        self.assertEqual(before, state_of(self.server, self.client))
        self.assertEqual(history, len(self.client.history()))

    def commit(self, *updates):
        return self.client.commit("corpus", "t", updates)

    def replace_view(self, *updates):
        return self.client.post("/v1/namespaces/corpus/views/v",
                                {"requirements": [], "updates": list(updates)})

    def create_view_at(self, **fields):
        return self.client.post("/v1/namespaces/corpus/views", {
            "name": "fresh", "schema": VIEW_SCHEMA, "view-version": version(), "properties": {},
            **fields})

    def test_create(self):
        self.refuses(lambda place: self.client.create_table("corpus", "fresh", location=place))

    def test_stage_create(self):
        self.refuses(lambda place: self.client.create_table(
            "corpus", "fresh", location=place, **{"stage-create": True}))

    def test_create_by_commit(self):
        def send(place):
            updates = create_updates({**self.other["metadata"], "location": place})
            return self.client.commit("corpus", "fresh", updates, [{"type": "assert-create"}])
        self.refuses(send)

    def test_set_location(self):
        self.refuses(lambda place: self.commit(set_location(place)))

    def test_set_location_in_a_transaction(self):
        self.refuses(lambda place: self.client.transaction(
            [("corpus", "t", [set_properties(a="b"), set_location(place)])]))

    def test_paths(self):
        for path in PATHS:
            with self.subTest(path):
                self.refuses(lambda place, path=path: self.commit(set_properties(**{path: place})))

    def test_paths_in_a_transaction(self):
        self.refuses(lambda place: self.client.transaction(
            [("corpus", "t", [set_properties(**{PATHS[0]: place})])]))

    def test_paths_at_create(self):
        for path in PATHS:
            with self.subTest(path):
                self.refuses(lambda place, path=path: self.client.create_table(
                    "corpus", "fresh", properties={path: place}))

    def test_views(self):
        self.refuses(lambda place: self.create_view_at(location=place))
        self.refuses(lambda place: self.replace_view(set_location(place)))
        for path in PATHS:
            with self.subTest(path):
                self.refuses(lambda place, path=path: self.create_view_at(properties={path: place}))
                self.refuses(lambda place, path=path: self.replace_view(
                    set_properties(**{path: place})))

    FILES = ("malformed", "outside", "taken")  # a file may lie beside the tables

    def test_manifest_list(self):
        def send(place):
            snap = {**snapshot(self.t["metadata"]), "manifest-list": place + "/snap.avro"}
            return self.commit({"action": "add-snapshot", "snapshot": snap})
        self.refuses(send, self.FILES)

    def test_statistics(self):
        current = self.t["metadata"]["current-snapshot-id"]
        self.refuses(lambda place: self.commit({"action": "set-statistics", "statistics": {
            "snapshot-id": current, "statistics-path": place + "/s.puffin", "file-size-in-bytes": 1,
            "file-footer-size-in-bytes": 1, "blob-metadata": []}}), self.FILES)
        self.refuses(lambda place: self.commit({
            "action": "set-partition-statistics", "partition-statistics": {
                "snapshot-id": current, "statistics-path": place + "/p.parquet",
                "file-size-in-bytes": 1}}), self.FILES)

    def test_register_from(self):
        """The metadata file's own place: what is not there is 404, and never looked for outside."""
        for where in ("/register", "/register-view"):
            def send(place, where=where):
                return self.client.post(f"/v1/namespaces/corpus{where}", {
                    "name": "fresh", "metadata-location": place + "/1.metadata.json"})
            self.refuses(send, ("malformed", "outside"))
            self.refuses(send, ("parent", "taken"), (400, 404))

    def register_document(self, change):
        """Registers a file with a document that differs from another table's."""
        document = json.loads(json.dumps(self.t["metadata"]))
        document["location"] = self.other["metadata"]["location"] + "-registered"
        document["table-uuid"] = "2cc52516-5e73-41f2-b139-545d41a4e151"
        change(document)
        with open(local_path(self.file), "w", encoding="utf-8") as f:
            json.dump(document, f)
        reply = self.client.register("corpus", "fresh", self.file)
        os.truncate(local_path(self.file), 0)
        return reply

    def test_registered_documents(self):
        self.file = os.path.dirname(self.t["metadata-location"]) + "/9-x.metadata.json"
        Path(local_path(self.file)).touch()
        self.addCleanup(os.remove, local_path(self.file))

        def put(place, *steps):
            def change(document):
                at = document
                for step in steps[:-1]:
                    at = at[step]
                at[steps[-1]] = place
            return self.register_document(change)
        self.refuses(lambda place: put(place, "location"))
        self.refuses(lambda place: put(place, "properties", PATHS[0]))
        self.refuses(lambda place: put(place + "/s.avro", "snapshots", 0, "manifest-list"),
                     self.FILES)

    def test_free_places_are_accepted(self):
        for verdict, place in self.corpus:
            if verdict != "free":
                continue
            with self.subTest(place):
                reply = self.client.create_table("corpus", "fresh", location=place)
                self.assert_status(200, reply)
                self.assertEqual(place.rstrip("/"), reply.json["metadata"]["location"])
                self.assert_commits("corpus", "t", [set_properties(**{
                    PATHS[0]: place.rstrip("/") + "-"})])
                self.assert_status(204, self.client.drop_table("corpus", "fresh"))
        self.assert_commits("corpus", "t", [{"action": "remove-properties", "removals": [PATHS[0]]}])
