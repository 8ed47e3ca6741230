"""Namespaces (rest.md 3.1) and how their names travel (1.3, 1.5)."""
import unittest
import urllib.parse

from tests.harness import BAD_REQUEST, FirnTest, quote_ns

ODD_NAMES = [
    "with space", "a.b", "a/b", "a%b", "a%2Fb", "quote'", 'double"quote', "emoji 🧊", "ü", "u\u0308",
    "plus+plus", "a&b=c", "a?b", "a#b", "back\\slash", "UPPER", "tab\tin", "*", "${x}", "..", ".",
    "-", "%1F", "<img src=x>", "null", "tables", "namespaces", "x" * 1024, "日本語", "line\nbreak",
]


class Create(FirnTest):
    def test_answer(self):
        name = self.fresh_name()
        reply = self.assert_status(200, self.client.create_namespace(name, {"owner": "me", "k": ""}))
        self.assertEqual([name], reply.json["namespace"])
        self.assertEqual({"owner": "me", "k": ""},
                         {k: reply.json["properties"][k] for k in ("owner", "k")})

    def test_without_properties(self):
        reply = self.assert_status(200, self.client.create_namespace(self.fresh_name()))
        self.assertIsInstance(reply.json["properties"], dict)

    def test_exists(self):
        ns = self.fresh_namespace(k="old")
        reply = self.client.create_namespace(ns, {"k": "new"})
        self.assert_error(reply, 409, "AlreadyExistsException", f"Namespace already exists: {ns}")
        self.assertEqual("old", self.client.load_namespace(ns).json["properties"]["k"])

    def test_nested_message(self):
        ns = [self.fresh_name(), "b"]
        self.assert_status(200, self.client.create_namespace(ns))
        self.assert_error(self.client.create_namespace(ns), 409, "AlreadyExistsException",
                          f"Namespace already exists: {ns[0]}.b")

    def test_missing_ancestors_become_real(self):
        top = self.fresh_name()
        self.assert_status(200, self.client.create_namespace([top, "b", "c"]))
        for ns in ([top], [top, "b"]):
            reply = self.assert_status(200, self.client.load_namespace(ns))
            self.assertEqual(ns, reply.json["namespace"])
            self.assert_error(self.client.create_namespace(ns), 409, "AlreadyExistsException")
        self.assertIn([top], self.client.list_namespaces().json["namespaces"])

    def test_ancestors_keep_their_properties(self):
        top = self.fresh_namespace(k="v")
        self.assert_status(200, self.client.create_namespace([top, "b"]))
        self.assertEqual("v", self.client.load_namespace(top).json["properties"]["k"])

    def test_odd_names_survive(self):
        top = self.fresh_namespace()
        for name in ODD_NAMES:
            with self.subTest(name[:40]):
                ns = [top, name]
                self.assert_status(200, self.client.create_namespace(ns))
                self.assertEqual(ns, self.assert_status(
                    200, self.client.load_namespace(ns)).json["namespace"])
                self.assert_status(204, self.client.head(self.client.ns_path(ns)))
        listed = self.client.list_namespaces(f"?parent={top}").json["namespaces"]
        self.assertEqual(sorted(ODD_NAMES, key=lambda n: n.encode()), [ns[1] for ns in listed])

    def test_plus_in_a_path_is_a_space(self):
        top = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([top, "a b"]))
        self.assert_status(200, self.client.get(f"/v1/namespaces/{top}%1Fa+b"))
        self.assert_error(self.client.get(f"/v1/namespaces/{top}%1Fa%2Bb"), 404,
                          "NoSuchNamespaceException")

    def test_separator_in_lower_case(self):
        top = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([top, "b"]))
        self.assert_status(200, self.client.get(f"/v1/namespaces/{top}%1fb"))

    def test_names_are_case_sensitive(self):
        ns = self.fresh_namespace()
        self.assert_error(self.client.load_namespace(ns.upper()), 404, "NoSuchNamespaceException")

    def test_a_name_like_a_literal(self):
        for ns in ("tables", "namespaces", "transactions"):
            reply = self.client.create_namespace(ns)
            self.assert_status(200, reply)
            self.assert_status(200, self.client.load_namespace(ns))
            self.assert_status(200, self.client.list_tables(ns))
            self.assert_status(204, self.client.drop_namespace(ns))

    def test_deepest(self):
        ns = [self.fresh_name()] + ["l"] * 31
        self.assert_status(200, self.client.create_namespace(ns))
        self.assertEqual(ns, self.client.load_namespace(ns).json["namespace"])
        self.assert_error(self.client.create_namespace(ns + ["l"]), 400, BAD_REQUEST)


class Load(FirnTest):
    def test_missing(self):
        self.assert_error(self.client.load_namespace("missing"), 404, "NoSuchNamespaceException",
                          "Namespace does not exist: missing")
        self.assert_error(self.client.load_namespace(["missing", "b"]), 404,
                          "NoSuchNamespaceException", "Namespace does not exist: missing.b")

    def test_exists(self):
        ns = self.fresh_namespace()
        self.assert_status(204, self.client.head(self.client.ns_path(ns)))
        self.assert_status(404, self.client.head(self.client.ns_path("missing")))


class List(FirnTest):
    def test_top_level_and_children(self):
        top = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([top, "b"]))
        self.assert_status(200, self.client.create_namespace([top, "b", "c"]))
        self.assert_status(200, self.client.create_namespace([top + "x", "other"]))
        names = self.client.list_namespaces().json["namespaces"]
        self.assertIn([top], names)
        self.assertTrue(all(len(ns) == 1 for ns in names), names)
        self.assertEqual([[top, "b"]],
                         self.client.list_namespaces(f"?parent={top}").json["namespaces"])
        self.assertEqual([[top, "b", "c"]],
                         self.client.list_namespaces(f"?parent={top}%1Fb").json["namespaces"])
        self.assertEqual([], self.client.list_namespaces(f"?parent={top}%1Fb%1Fc").json["namespaces"])

    def test_missing_parent_message_is_exact(self):
        reply = self.client.list_namespaces("?parent=non-existing")
        self.assert_error(reply, 404, "NoSuchNamespaceException")
        self.assertEqual("Namespace does not exist: non-existing", reply.error["message"])

    def test_empty_parent_is_no_parent(self):
        self.assertEqual(self.client.list_namespaces().json,
                         self.client.list_namespaces("?parent=").json)

    def test_parent_encoded_twice(self):
        """PyIceberg encodes the parent twice."""
        top = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([top, "b c", "d"]))
        whole = urllib.parse.quote(quote_ns([top, "b c"]), safe="")
        levels = f"{top}%1F" + urllib.parse.quote(urllib.parse.quote("b c"))
        for twice in (whole, levels):
            self.assertEqual([[top, "b c", "d"]], self.assert_status(
                200, self.client.list_namespaces(f"?parent={twice}")).json["namespaces"])

    def test_a_level_that_holds_the_separators_text(self):
        top = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([top, "x%1Fy", "child"]))
        query = "?parent=" + quote_ns([top, "x%1Fy"])
        self.assertEqual([[top, "x%1Fy", "child"]],
                         self.client.list_namespaces(query).json["namespaces"])

    def test_order_is_by_bytes(self):
        top = self.fresh_namespace()
        names = ["b", "B", "a", "ä", "a0", "a-", "Z", "🧊", "zz"]
        for name in names:
            self.assert_status(200, self.client.create_namespace([top, name]))
        listed = self.client.list_namespaces(f"?parent={top}").json["namespaces"]
        self.assertEqual(sorted(names, key=str.encode), [ns[1] for ns in listed])


class Pages(FirnTest):
    """rest.md 1.5, on namespaces; tables have their own."""

    def setUp(self):
        super().setUp()
        self.top = self.fresh_namespace()
        self.names = [f"n{i:02}" for i in range(25)]
        for name in self.names:
            self.assert_status(200, self.client.create_namespace([self.top, name]))

    def page(self, query):
        reply = self.assert_status(200, self.client.list_namespaces(f"?parent={self.top}{query}"))
        token = reply.json.get("next-page-token")
        self.assertNotEqual("", token, "an empty token makes clients loop for ever")
        return [ns[1] for ns in reply.json["namespaces"]], token

    def test_no_parameter_returns_all(self):
        names, token = self.page("")
        self.assertEqual((self.names, None), (names, token))

    def test_pages(self):
        for first in ("&pageSize=10", "&pageSize=10&pageToken="):
            seen, query = [], first
            sizes = []
            while True:
                names, token = self.page(query)
                seen += names
                sizes.append(len(names))
                if token is None:
                    break
                query = "&pageSize=10&pageToken=" + urllib.parse.quote(token, safe="")
            self.assertEqual(self.names, seen)
            self.assertEqual([10, 10, 5], sizes)

    def test_a_page_that_just_fits(self):
        names, token = self.page("&pageSize=25")
        self.assertEqual(25, len(names))
        if token is not None:
            self.assertEqual(([], None), self.page(f"&pageSize=25&pageToken={token}"))

    def test_token_without_size(self):
        names, token = self.page("&pageToken=")
        self.assertEqual((self.names, None), (names, token))

    def test_changes_between_pages_neither_skip_nor_repeat(self):
        names, token = self.page("&pageSize=10")
        self.assert_status(204, self.client.drop_namespace([self.top, "n03"]))
        self.assert_status(200, self.client.create_namespace([self.top, "n00a"]))
        self.assert_status(204, self.client.drop_namespace([self.top, "n09"]))
        rest, _ = self.page(f"&pageSize=100&pageToken={urllib.parse.quote(token, safe='')}")
        self.assertEqual(self.names[10:], rest)

    def test_bad_sizes(self):
        for size in ("0", "-1", "x", "1.5", "", "99999999999999999999"):
            with self.subTest(size):
                self.assert_error(self.client.list_namespaces(f"?pageSize={size}"), 400, BAD_REQUEST)


class Drop(FirnTest):
    def test_drop(self):
        ns = self.fresh_namespace()
        self.assert_status(204, self.client.drop_namespace(ns))
        self.assert_error(self.client.load_namespace(ns), 404, "NoSuchNamespaceException")
        self.assert_error(self.client.drop_namespace(ns), 404, "NoSuchNamespaceException",
                          f"Namespace does not exist: {ns}")
        self.assertNotIn([ns], self.client.list_namespaces().json["namespaces"])

    def test_with_a_table(self):
        ns, name, _ = self.fresh_table()
        reply = self.client.drop_namespace(ns)
        self.assert_error(reply, 409, "NamespaceNotEmptyException")
        self.assert_message_has(reply, "is not empty")
        self.assert_status(204, self.client.drop_table(ns, name))
        self.assert_status(204, self.client.drop_namespace(ns))

    def test_with_a_child(self):
        ns = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([ns, "b"]))
        reply = self.client.drop_namespace(ns)
        self.assert_error(reply, 409, "NamespaceNotEmptyException")
        self.assert_message_has(reply, "is not empty")
        self.assert_status(204, self.client.drop_namespace([ns, "b"]))
        self.assert_status(204, self.client.drop_namespace(ns))

    def test_a_sibling_with_a_longer_name_is_no_child(self):
        ns = self.fresh_namespace()
        self.assert_status(200, self.client.create_namespace([ns + "x", "b"]))
        self.assert_status(204, self.client.drop_namespace(ns))

    def test_properties_do_not_come_back(self):
        ns = self.fresh_namespace(k="v")
        self.assert_status(204, self.client.drop_namespace(ns))
        self.assert_status(200, self.client.create_namespace(ns))
        self.assertNotIn("k", self.client.load_namespace(ns).json["properties"])


class Properties(FirnTest):
    def update(self, ns, **body):
        return self.client.post(self.client.ns_path(ns, "/properties"), body)

    def test_answer(self):
        ns = self.fresh_namespace(a="1", b="2", c="3")
        reply = self.assert_status(200, self.update(
            ns, removals=["b", "missing", "b"], updates={"a": "1", "d": "4"}))
        self.assertEqual(["a", "d"], sorted(reply.json["updated"]))
        self.assertEqual(["b"], reply.json["removed"])
        self.assertEqual(["missing"], reply.json["missing"])
        stored = self.client.load_namespace(ns).json["properties"]
        self.assertEqual({"a": "1", "c": "3", "d": "4"},
                         {k: v for k, v in stored.items() if k in "abcd"})

    def test_all_three_are_always_arrays(self):
        ns = self.fresh_namespace()
        for body in ({}, {"updates": {}}, {"removals": []}, {"updates": {"a": "b"}}):
            reply = self.assert_status(200, self.update(ns, **body))
            for key in ("updated", "removed", "missing"):
                self.assertIsInstance(reply.json[key], list)

    def test_same_key_in_both(self):
        ns = self.fresh_namespace(k="old")
        self.assert_error(self.update(ns, removals=["k"], updates={"k": "v"}), 422,
                          "UnprocessableEntityException")
        self.assertEqual("old", self.client.load_namespace(ns).json["properties"]["k"])

    def test_same_key_is_looked_at_before_the_namespace(self):
        self.assert_error(self.update("missing", removals=["k"], updates={"k": "v"}), 422,
                          "UnprocessableEntityException")

    def test_missing_namespace(self):
        self.assert_error(self.update("missing", updates={"k": "v"}), 404,
                          "NoSuchNamespaceException", "Namespace does not exist: missing")

    def test_odd_keys_and_values(self):
        ns = self.fresh_namespace()
        odd = {name: name for name in ODD_NAMES}
        odd[""] = ""
        self.assert_status(200, self.update(ns, updates=odd))
        stored = self.client.load_namespace(ns).json["properties"]
        self.assertEqual(odd, {k: stored.get(k) for k in odd})

    def test_survives_a_restart(self):
        ns = self.fresh_namespace(a="1")
        self.assert_status(200, self.update(ns, updates={"b": "🧊"}))
        before = self.client.load_namespace(ns).json
        self.server.restart()
        self.assertEqual(before, self.client.load_namespace(ns).json)


if __name__ == "__main__":
    unittest.main()
