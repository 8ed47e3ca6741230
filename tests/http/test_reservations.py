"""Who may come to a place that is not an object's any more, or not yet (reliability.md 3.1): places
of staged tables (L04), places that were left while keys for them live (L10), uuids that are known
(L06)."""
import json
import shutil

from tests.harness import (ASSERT_CREATE, Server, create_updates, local_path, set_properties)
from tests.http.test_locations import PATHS, ROUNDS, LocationTest, set_location

RESERVED = "is reserved: a table that was staged, dropped or moved"


class ReservationTest(LocationTest):
    def stage(self, name, client=None, **fields):
        return (client or self.client).create_table(self.ns, name, stage_create=True, **fields)

    def staged(self, name, **fields):
        return self.assert_status(200, self.stage(name, **fields)).json["metadata"]

    def finish(self, name, metadata, client=None):
        return (client or self.client).commit(self.ns, name, create_updates(metadata),
                                              [ASSERT_CREATE])

    def is_reserved(self, reply):
        self.refused(reply)
        self.assertIn(RESERVED, reply.error["message"])


class Staged(ReservationTest):
    def test_a_staged_place_keeps_others_away(self):
        place, other = self.place(), self.table()
        staged = self.staged("s", location=place)
        for taken in (place, place + "/d", place.rsplit("/", 1)[0], place + "/"):
            self.is_reserved(self.client.create_table(self.ns, "x", location=taken))
            self.is_reserved(self.stage("x", location=taken))
            self.is_reserved(self.create_view("x", location=taken))
            self.is_reserved(self.client.commit(self.ns, other, [set_location(taken)]))
            self.is_reserved(self.client.create_table(self.ns, "x", properties={PATHS[0]: taken}))
            self.is_reserved(self.client.commit(self.ns, other,
                                                [set_properties(**{PATHS[1]: taken})]))
        self.assert_status(200, self.client.create_table(self.ns, "x", location=place + "1"))
        self.assert_status(200, self.finish("s", staged))

    def test_places_of_properties(self):
        for path in PATHS:
            with self.subTest(path):
                place, name = self.place(), self.fresh_name("s")
                staged = self.staged(name, properties={path: place})
                self.is_reserved(self.client.create_table(self.ns, "x", location=place))
                self.is_reserved(self.client.create_table(self.ns, "x",
                                                          location=staged["location"]))
                self.assert_status(200, self.finish(name, staged))

    def test_places_of_others_are_not_staged(self):
        place = self.place()
        self.table(location=place)
        for fields in ({"location": place}, {"location": place + "/x"},
                       {"properties": {PATHS[0]: place}}):
            reply = self.stage("s", **fields)
            self.refused(reply)
            self.assertIn("overlaps", reply.error["message"])

    def test_after_a_restart(self):
        place = self.place()
        staged = self.staged("s", location=place)
        self.server.restart()
        self.is_reserved(self.client.create_table(self.ns, "x", location=place))
        self.assert_status(200, self.finish("s", staged))

    def test_what_is_dropped_is_free(self):
        """Clients have keys of their own here: nothing is gained by waiting."""
        place = self.place()
        self.assert_status(200, self.finish("s", self.staged("s", location=place)))
        self.assert_status(204, self.client.drop_table(self.ns, "s"))
        self.assert_status(200, self.client.create_table(self.ns, "x", location=place))

    def test_trying_again(self):
        """A client that gave up a create tells nobody; its user tries the same once more."""
        place = self.place()
        first, second = (self.staged("s", location=place) for _ in range(2))
        self.is_reserved(self.stage("x", location=place))
        self.assert_status(200, self.finish("s", second))
        self.assertEqual(409, self.finish("s", first).status)
        place = self.place()
        self.staged("t", location=place)
        self.assert_status(200, self.client.create_table(self.ns, "t", location=place))

    def test_default_places_without_uuid(self):
        server = Server(args=("--unique-table-locations", "false"))
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        self.assert_status(200, client.create_namespace(self.ns))
        staged = self.assert_status(200, self.stage("s", client)).json["metadata"]
        self.is_reserved(client.create_table(self.ns, "x", location=staged["location"] + "/x"))
        self.assert_status(200, self.finish("s", staged, client))
        client.close()
        server.stop()


class StagedRaces(ReservationTest):
    """Of those who want a place exactly one gets it, and only he can finish."""

    def winner(self, statuses):
        self.assertEqual(1, statuses.count(200), statuses)
        self.assertEqual({200, 400}, set(statuses))
        return statuses.index(200)

    def test_two_staged(self):
        for i in range(ROUNDS):
            place, replies = self.place(), [None, None]

            def stage(client, at, deeper="", i=i, place=place, replies=replies):
                replies[at] = self.stage(f"s{i}.{at}", client, location=place + deeper)
                return replies[at]
            won = self.winner(self.at_once(lambda client: stage(client, 0),
                                           lambda client: stage(client, 1, "/x")))
            self.assert_status(200, self.finish(f"s{i}.{won}", replies[won].json["metadata"]))

    def test_staged_and_create(self):
        wins = [0, 0]
        for i in range(2 * ROUNDS):
            place, staged = self.place(), []
            works = [lambda client: (staged.append(self.stage(f"s{i}", client, location=place)),
                                     staged[0])[1],
                     lambda client: client.create_table(self.ns, f"c{i}", location=place)]
            won = self.winner(self.at_once(*works))
            wins[won] += 1
            if won == 0:
                self.assert_status(200, self.finish(f"s{i}", staged[0].json["metadata"]))

    def test_staged_then_create(self):
        place = self.place()
        staged = self.staged("s", location=place)
        self.is_reserved(self.client.create_table(self.ns, "c", location=place))
        self.assert_status(200, self.finish("s", staged))
        self.refused(self.client.create_table(self.ns, "c", location=place))

    def test_create_then_staged(self):
        place = self.place()
        self.table(location=place)
        self.refused(self.stage("s", location=place))

    def test_staged_and_set_location(self):
        other = self.table()
        for i in range(ROUNDS):
            place = self.place()
            self.winner(self.at_once(
                lambda client: self.stage(f"s{i}", client, location=place),
                lambda client: client.commit(self.ns, other, [set_location(place + "/x")])))

    def test_a_stranger_does_not_finish(self):
        """Another uuid is another table, whatever its name; the same name of the same user is the
        same wish (test_trying_again)."""
        place = self.place()
        staged = self.staged("s", location=place)
        stranger = {**staged, "table-uuid": "2cc52516-5e73-41f2-b139-545d41a4e151"}
        self.refused(self.finish("x", stranger))
        self.assert_status(200, self.finish("s", staged))


class Left(ReservationTest):
    """L10: in a warehouse whose clients get keys, what a table leaves is kept for it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lake = cls.server.client()
        made = cls.lake.post("/management/v1/warehouses", {"name": "lake", "access": "gateway"})
        assert made.status == 200, repr(made)

    @classmethod
    def tearDownClass(cls):
        cls.lake.close()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.client = self.server.client(prefix="lake")
        self.addCleanup(self.client.close)
        self.ns = self.fresh_namespace()
        self.root = "s3://lake"

    def test_dropped(self):
        for drop in (lambda name: self.client.drop_table(self.ns, name),
                     lambda name: self.client.drop_table(self.ns, name, "?purgeRequested=true"),
                     lambda name: self.client.post(
                         self.client.table_path(self.ns, name, "/unregister"), {})):
            place, beside = self.place(), self.place()
            name = self.table(location=place, properties={PATHS[0]: beside})
            self.assertIn(drop(name).status, (200, 204))
            for taken in (place, place + "/x", beside):
                self.is_reserved(self.client.create_table(self.ns, name, location=taken))
                self.is_reserved(self.stage(name, location=taken))
                self.is_reserved(self.create_view("x", location=taken))

    def test_dropped_and_registered(self):
        place, beside = self.place(), self.place()
        name = self.table(location=place, properties={PATHS[0]: beside})
        for again in (name, "another"):
            made = self.load(self.ns, name)
            self.assert_status(204, self.client.drop_table(self.ns, name))
            self.server.restart()
            self.assert_status(200, self.client.register(self.ns, again,
                                                         made["metadata-location"]))
            self.refused(self.client.create_table(self.ns, "x", location=beside))
            name = again
        self.assert_status(204, self.client.drop_table(self.ns, name))
        self.is_reserved(self.client.create_table(self.ns, "x", location=place))

    def test_moved(self):
        place, elsewhere = self.place(), self.place()
        name, other = self.table(location=place), self.table()
        self.assert_commits(self.ns, name, [set_location(elsewhere)])
        self.is_reserved(self.client.create_table(self.ns, "x", location=place))
        self.is_reserved(self.client.commit(self.ns, other, [set_location(place)]))
        self.assert_commits(self.ns, name, [set_location(place)])
        self.is_reserved(self.client.create_table(self.ns, "x", location=elsewhere))

    def test_a_path_that_is_given_up(self):
        place, name = self.place(), self.table()
        take = [set_properties(**{PATHS[0]: place})]
        self.assert_commits(self.ns, name, take)
        self.assert_commits(self.ns, name, [
            {"action": "remove-properties", "removals": [PATHS[0]]}])
        self.is_reserved(self.client.create_table(self.ns, "x", location=place))
        self.assert_commits(self.ns, name, take)

    def test_created_again(self):
        """The usual way has another place each time, and waits for nothing."""
        seen = set()
        for _ in range(3):
            name = self.table()
            seen.add(self.load(self.ns, name)["metadata"]["location"])
            self.assert_status(204, self.client.drop_table(self.ns, name))
            self.assert_status(200, self.client.create_table(self.ns, name))
        self.assertEqual(3, len(seen))

    def test_views(self):
        """No keys are given for them."""
        place = self.place()
        self.assert_status(200, self.create_view("v", location=place))
        self.assert_status(204, self.client.delete(self.view_path("v")))
        self.assert_status(200, self.client.create_table(self.ns, "x", location=place))


class KnownUuids(ReservationTest):
    def setUp(self):
        super().setUp()
        self.name = self.table()
        self.file = self.load(self.ns, self.name)["metadata-location"]

    def known(self, reply, where):
        self.assert_error(reply, 409, "AlreadyExistsException")
        self.assertIn(where, reply.error["message"])

    def test_registered_under_two_names(self):
        self.known(self.client.register(self.ns, "twin", self.file),
                   f"Table already exists as {self.ns}.{self.name}")
        self.assert_status(204, self.client.drop_table(self.ns, self.name))
        self.assert_status(200, self.client.register(self.ns, "twin", self.file))

    def test_a_copy_elsewhere(self):
        """Its metadata says another place, so nothing overlaps; it is the same table all the same."""
        place = self.place()
        with open(local_path(self.file), encoding="utf-8") as f:
            document = json.load(f)
        document["location"] = place
        copy = local_path(self.file).replace("00000-", "00007-")
        with open(copy, "w", encoding="utf-8") as f:
            json.dump(document, f)
        self.known(self.client.register(self.ns, "twin", "file://" + copy), self.name)
        self.assertEqual(404, self.client.load_table(self.ns, "twin").status)
        other = self.table()
        self.known(self.client.register(self.ns, other, "file://" + copy, True), self.name)
        self.assert_status(200, self.client.register(self.ns, self.name, "file://" + copy, True))

    def test_in_another_warehouse(self):
        warehouse = self.fresh_name("w")
        self.assert_status(200, self.client.post("/management/v1/warehouses", {"name": warehouse}))
        client = self.server.client(prefix=warehouse)
        self.assert_status(200, client.create_namespace(self.ns))
        made = self.assert_status(200, client.create_table(self.ns, "t")).json
        copy = local_path(made["metadata-location"]).replace("00000-", "00007-")
        shutil.copyfile(local_path(self.file), copy)
        with open(copy, encoding="utf-8") as f:
            text = f.read()
        with open(copy, "w", encoding="utf-8") as f:
            f.write(text.replace(self.load(self.ns, self.name)["metadata"]["location"],
                                 made["metadata"]["location"] + "x"))
        reply = client.register(self.ns, "twin", "file://" + copy)
        self.known(reply, "in another warehouse")
        self.assertNotIn(self.name, reply.error["message"])
        client.close()

    def test_created_with_a_known_uuid(self):
        staged = self.staged("s")
        known = self.load(self.ns, self.name)["metadata"]["table-uuid"]
        self.known(self.finish("s", {**staged, "table-uuid": known}), "uuid")
        self.assert_status(200, self.finish("s", staged))
