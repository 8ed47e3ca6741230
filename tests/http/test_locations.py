"""Where tables and views may lie (reliability.md 3.1): who comes first keeps others away, also from
the places of his properties, and also when both come at once."""
import threading

from tests.harness import BAD_REQUEST, FirnTest, Server, set_properties
from tests.http.test_views import SCHEMA as VIEW_SCHEMA
from tests.http.test_views import version

PATHS = ("write.data.path", "write.metadata.path", "write.object-storage.path",
         "write.folder-storage.path")
ROUNDS = 25


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
