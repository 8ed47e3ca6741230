"""Tokens, principals and what needs them (docs/security.md)."""
import base64
import os
import shutil
import tempfile
import time
import unittest
import urllib.parse

from tests.harness import (FirnTest, Server, append, key_header, raw_exchange,
                           run_firn)

TOKENS = "/v1/oauth/tokens"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
OAUTH_WORDS = {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
               "unsupported_grant_type", "invalid_scope"}


def form(**fields):
    return urllib.parse.urlencode({k: v for k, v in fields.items() if v is not None})


def basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def bearer(token):
    return {"Authorization": "Bearer " + token}


class Credential:
    def __init__(self, line):
        self.name, self.id, self.secret = line.rstrip("\n").split("\t")

    def __str__(self):
        return f"{self.id}:{self.secret}"


class AuthTest(unittest.TestCase):
    args = ()

    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="firn-test-")
        self.addCleanup(shutil.rmtree, self.temp, True)
        self.data = os.path.join(self.temp, "data")
        self.root = self.principal("create", "root", "--admin")
        self.user = self.principal("create", "user")
        self.server = Server(self.data, args=("--auth", "required", *self.args))
        self.addCleanup(self.server.close)
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def firn(self, *args, credential=None):
        if credential is not None:
            path = os.path.join(self.temp, "credential")
            with open(path, "w") as f:
                f.write(f"{credential}\n")
            args += ("--credential-file", path)
        return run_firn(*args, "--data", self.data)

    def principal(self, *args, credential=None):
        status, out, err = self.firn("principal", *args, credential=credential)
        self.assertEqual(0, status, err)
        return Credential(out) if args[0] in ("create", "rotate") else out

    def ask(self, headers=None, path=TOKENS, **fields):
        return self.client.post(path, form(**fields), headers={**FORM, **(headers or {})})

    def grant(self, credential, **fields):
        return self.ask(grant_type="client_credentials", client_id=credential.id,
                        client_secret=credential.secret, **fields)

    def token(self, credential=None, **fields):
        reply = self.grant(credential or self.user, **fields)
        self.assertEqual(200, reply.status, repr(reply))
        return reply.json["access_token"]

    def exchange(self, token, headers=None, **fields):
        fields = {"subject_token_type": ACCESS, **fields}
        return self.ask(headers, grant_type=EXCHANGE, subject_token=token, **fields)

    def refused(self, reply, status, word):
        self.assertEqual((status, word), (reply.status, reply.json["error"]), repr(reply))
        self.assertIn(reply.json["error"], OAUTH_WORDS)
        self.assertEqual("no-store", reply.header("Cache-Control"))
        self.assertNotIn("access_token", reply.json)

    def connect(self, token):
        client = self.server.client(headers=bearer(token))
        self.addCleanup(client.close)
        return client

    def works(self, token):
        return self.client.get("/v1/namespaces", headers=bearer(token)).status == 200

    def not_authorized(self, reply):
        self.assertEqual((401, "NotAuthorizedException"), (reply.status, reply.error["type"]))
        self.assertEqual("Bearer", reply.header("WWW-Authenticate"))


class Grants(AuthTest):
    def test_by_form(self):
        reply = self.grant(self.user, scope="catalog", audience="x", anything="else")
        self.assertEqual(200, reply.status, repr(reply))
        answer = reply.json
        self.assertEqual({"access_token", "token_type", "expires_in", "issued_token_type", "scope"},
                         set(answer))
        self.assertEqual(("bearer", 3600, ACCESS, "catalog"),
                         (answer["token_type"], answer["expires_in"], answer["issued_token_type"],
                          answer["scope"]))
        self.assertEqual("no-store", reply.header("Cache-Control"))
        self.assertTrue(answer["access_token"].startswith("firn_"))
        self.assertNotIn(".", answer["access_token"])
        self.assertTrue(self.works(answer["access_token"]))

    def test_an_empty_scope_is_left_out(self):
        for scope in (None, ""):
            self.assertNotIn("scope", self.grant(self.user, scope=scope).json)

    def test_by_basic(self):
        for id, secret in ((self.user.id, self.user.secret),
                           (self.user.id, "".join(f"%{ord(c):02X}" for c in self.user.secret))):
            reply = self.ask(basic(id, secret), grant_type="client_credentials", scope="catalog")
            self.assertEqual(200, reply.status, repr(reply))
            self.assertTrue(self.works(reply.json["access_token"]))

    def test_both_must_agree(self):
        same = {"client_id": self.user.id, "client_secret": self.user.secret}
        header = basic(self.user.id, self.user.secret)
        self.assertEqual(200, self.ask(header, grant_type="client_credentials", **same).status)
        for other in ({**same, "client_id": self.root.id}, {**same, "client_secret": "x"}):
            self.refused(self.ask(header, grant_type="client_credentials", **other), 400,
                         "invalid_request")

    def test_stale_bearer_is_ignored(self):
        for stale in ("None", "firn_stale", "a.b.c", ""):
            reply = self.ask(bearer(stale), grant_type="client_credentials",
                             client_id=self.user.id, client_secret=self.user.secret)
            self.assertEqual(200, reply.status, repr(reply))

    def test_wrong_clients(self):
        for fields in ({"client_id": self.user.id, "client_secret": "wrong"},
                       {"client_id": self.user.name, "client_secret": self.user.secret},
                       {"client_id": "nobody", "client_secret": self.user.secret},
                       {"client_secret": self.user.secret}, {"client_id": self.user.id}, {}):
            reply = self.ask(grant_type="client_credentials", **fields)
            self.refused(reply, 401, "invalid_client")
            self.assertTrue(reply.header("WWW-Authenticate").startswith("Basic"))

    def test_bad_requests(self):
        good = {"client_id": self.user.id, "client_secret": self.user.secret}
        self.refused(self.ask(**good), 400, "invalid_request")
        for grant in ("refresh_token", "password", "authorization_code", "Client_Credentials"):
            self.refused(self.ask(grant_type=grant, refresh_token="x", **good), 400,
                         "unsupported_grant_type")
        for scope in ('a"b', "a\\b", "a  b", " a", "a ", "ä", "x" * 257, "a\tb"):
            reply = self.grant(self.user, scope=scope)
            self.assertIn(reply.json["error"], ("invalid_scope", "invalid_request"), repr(reply))
            self.assertEqual(400, reply.status)
        twice = form(grant_type="client_credentials", **good) + "&client_id=" + self.user.id
        self.refused(self.client.post(TOKENS, twice, headers=FORM), 400, "invalid_request")
        self.refused(self.client.post(TOKENS, "grant_type=%zz", headers=FORM), 400,
                     "invalid_request")
        self.refused(self.client.post(TOKENS, {"grant_type": "client_credentials", **good}), 400,
                     "invalid_request")
        self.refused(self.client.post(TOKENS, "x" * 300000, headers=FORM), 413, "invalid_request")
        for header in ("Basic !!", "Basic", "Basic " + base64.b64encode(b"nocolon").decode()):
            self.refused(self.ask({"Authorization": header}, grant_type="client_credentials"), 400,
                         "invalid_request")
        self.assertEqual(405, self.client.get(TOKENS).status)

    def test_secrets_in_the_query(self):
        query = form(grant_type="client_credentials", client_id=self.user.id,
                     client_secret=self.user.secret)
        self.refused(self.client.post(f"{TOKENS}?{query}", "", headers=FORM), 400,
                     "invalid_request")


class Exchanges(AuthTest):
    args = ("--token-lifetime-s", "2")

    def test_with_the_token_alone(self):
        token = self.token(scope="catalog")
        reply = self.exchange(token, bearer(token), scope="catalog")
        self.assertEqual(200, reply.status, repr(reply))
        self.assertEqual((ACCESS, "bearer", 2, "catalog"),
                         (reply.json["issued_token_type"], reply.json["token_type"],
                          reply.json["expires_in"], reply.json["scope"]))
        self.assertTrue(self.works(reply.json["access_token"]))

    def test_expired(self):
        token = self.token()
        time.sleep(2.1)
        self.not_authorized(self.client.get("/v1/namespaces", headers=bearer(token)))
        self.refused(self.exchange(token, bearer(token)), 400, "invalid_grant")
        own = basic(self.user.id, self.user.secret)
        reply = self.exchange(token, own, scope="catalog")
        self.assertEqual(200, reply.status, repr(reply))
        self.assertTrue(self.works(reply.json["access_token"]))
        self.refused(self.exchange(token, basic(self.user.id, "wrong")), 401, "invalid_client")
        self.refused(self.exchange(token, basic(self.root.id, self.root.secret)), 400,
                     "invalid_grant")

    def test_never_wider(self):
        token = self.token(scope="catalog sign")
        self.assertEqual("catalog sign", self.exchange(token).json["scope"])
        narrow = self.exchange(token, scope="sign").json
        self.assertEqual("sign", narrow["scope"])
        for scope in ("catalog", "sign catalog", "sig"):
            self.refused(self.exchange(narrow["access_token"], scope=scope), 400, "invalid_scope")

    def test_bad_subjects(self):
        token = self.token()
        for subject in ("firn_AAAA", token[:-1], token + "A", "a.b.c", "None"):
            self.refused(self.exchange(subject), 400, "invalid_grant")
        self.refused(self.ask(grant_type=EXCHANGE, subject_token_type=ACCESS), 400,
                     "invalid_request")
        for kind in ("jwt", "refresh_token", "id_token", "saml2"):
            kind = "urn:ietf:params:oauth:token-type:" + kind
            self.refused(self.exchange(token, subject_token_type=kind), 400, "invalid_request")
            self.refused(self.exchange(token, requested_token_type=kind), 400, "invalid_request")
        self.refused(self.exchange(token, actor_token="x", actor_token_type=ACCESS), 400,
                     "invalid_grant")
        reply = self.exchange(token, actor_token=self.token(self.root), actor_token_type=ACCESS)
        self.assertEqual(200, reply.status, repr(reply))

    def test_after_a_drop_nothing_is_renewed(self):
        token = self.token()
        self.principal("drop", "user", credential=self.root)
        self.refused(self.exchange(token), 400, "invalid_grant")
        self.refused(self.exchange(token, basic(self.user.id, self.user.secret)), 401,
                     "invalid_client")


class Guarded(AuthTest):
    OPEN = ("/health/live", "/health/ready")
    CLOSED = ("/v1/config", "/v1/namespaces", "/v1/default/namespaces", "/v1/namespaces/a",
              "/v1/namespaces/a/tables/t", "/management/v1/warehouses", "/metrics",
              "/management/v1/principals", "/management/v1/warehouses/default/history",
              "/v1/no-such-warehouse/namespaces")

    def test_everything_but_the_open_routes(self):
        for path in self.OPEN:
            self.assertEqual(200, self.client.get(path).status, path)
            self.assertEqual(200, self.client.get(path, headers=bearer("None")).status, path)
        for path in self.CLOSED:
            for headers in ({}, bearer("None"), bearer("x"), bearer("a.b.c"), bearer(""),
                            basic(self.user.id, self.user.secret),
                            {"Authorization": "Bearer"}, {"Authorization": self.token()}):
                with self.subTest((path, headers)):
                    self.not_authorized(self.client.get(path, headers=headers))
        self.assertEqual(401, self.client.head("/v1/namespaces/a/tables/t").status)
        self.not_authorized(self.client.post("/v1/namespaces", {"namespace": ["a"]}))
        self.not_authorized(self.client.post("/v1/namespaces", "not json"))

    def test_the_scheme_in_any_case(self):
        token = self.token()
        for scheme in ("bearer ", "BEARER ", "Bearer  "):
            reply = self.client.get("/v1/namespaces", headers={"Authorization": scheme + token})
            self.assertEqual(200, reply.status, repr(reply))

    def test_management_is_for_admins(self):
        user, root = bearer(self.token()), bearer(self.token(self.root))
        paths = [p for p in self.CLOSED if p.startswith("/management")]
        for path in paths:
            reply = self.client.get(path, headers=user)
            self.assertEqual((403, "ForbiddenException"), (reply.status, reply.error["type"]), path)
            self.assertEqual(200, self.client.get(path, headers=root).status, path)
        for path in ("/management/v1/principals", "/management/v1/warehouses"):
            reply = self.client.post(path, {"name": "mine"}, headers=user)
            self.assertEqual(403, reply.status, repr(reply))
        self.assertEqual(200, self.client.get("/metrics", headers=user).status)

    def test_history_and_idempotency_know_the_principal(self):
        user, root = self.connect(self.token()), self.connect(self.token(self.root))
        self.assertEqual(200, user.create_namespace("ns").status)
        made = user.create_table("ns", "t").json
        updates, requirements = append(made["metadata"])
        key = key_header()
        reply = user.commit("ns", "t", updates, requirements, headers=key)
        self.assertEqual(200, reply.status, repr(reply))
        self.assertEqual(reply.json, user.commit("ns", "t", updates, requirements,
                                                 headers=key).json)
        stolen = root.commit("ns", "t", updates, requirements, headers=key)
        self.assertEqual(422, stolen.status, repr(stolen))
        rows = root.history("ns", "t")
        self.assertEqual(["user"] * len(rows), [row["principal"] for row in rows])

    def test_metrics_by_option(self):
        self.server.args += ["--anonymous-metrics"]
        self.server.restart()
        self.assertEqual(200, self.client.get("/metrics").status)
        self.not_authorized(self.client.get("/v1/config"))


class Life(AuthTest):
    def test_the_cli_on_a_running_server(self):
        status, out, err = self.firn("principal", "list")
        self.assertEqual((1, ""), (status, out))
        self.assertIn("credential", err)
        self.assertEqual(1, self.firn("principal", "list", credential=self.user)[0])
        self.assertEqual(f"root\t{self.root.id}\tadmin\nuser\t{self.user.id}\t-\n",
                         self.principal("list", credential=self.root))
        made = self.principal("create", "third", credential=self.root)
        self.assertEqual("third", made.name)
        self.assertTrue(self.works(self.token(made)))
        status, out, _ = self.firn("warehouse", "create", "lake", credential=self.root)
        self.assertEqual(0, status, out)
        status, _, err = self.firn("principal", "create", "third", credential=self.root)
        self.assertEqual(1, status)
        self.assertIn("exists", err)

    def test_rotate_ends_secret_and_tokens(self):
        token = self.token()
        self.assertTrue(self.works(token))
        self.assertTrue(self.works(token))
        new = self.principal("rotate", "user", credential=self.root)
        self.assertEqual(self.user.id, new.id)
        self.assertNotEqual(self.user.secret, new.secret)
        self.assertFalse(self.works(token))
        self.refused(self.grant(self.user), 401, "invalid_client")
        self.assertTrue(self.works(self.token(new)))

    def test_drop_ends_tokens_and_a_namesake_is_another(self):
        token = self.token()
        self.assertTrue(self.works(token))
        self.principal("drop", "user", credential=self.root)
        self.assertFalse(self.works(token))
        again = self.principal("create", "user", credential=self.root)
        self.assertNotEqual(self.user.id, again.id)
        self.assertFalse(self.works(token))
        self.assertTrue(self.works(self.token(again)))

    def test_tokens_outlive_a_restart(self):
        token = self.token()
        self.server.restart()
        self.assertTrue(self.works(token))
        self.server.stop()
        self.principal("rotate", "user")
        self.server.start()
        self.assertFalse(self.works(token))

    def test_names(self):
        root = bearer(self.token(self.root))
        for name in ("", "a b", "a/b", "a:b", "-a", "anonymous", "Operator", "firn", "ü", "x" * 129):
            reply = self.client.post("/management/v1/principals", {"name": name}, headers=root)
            self.assertEqual(400, reply.status, repr(reply))
        reply = self.client.post("/management/v1/principals", {"name": "a.b@c-d_e"}, headers=root)
        self.assertEqual(200, reply.status, repr(reply))
        self.assertEqual("no-store", reply.header("Cache-Control"))
        path = "/management/v1/principals/a.b%40c-d_e"
        rotated = self.client.post(path + "/rotate", headers=root)
        self.assertEqual(200, rotated.status, repr(rotated))
        self.assertEqual("no-store", rotated.header("Cache-Control"))
        self.assertNotEqual(reply.json["client-secret"], rotated.json["client-secret"])
        self.assertEqual(204, self.client.delete(path, headers=root).status)
        for method, path in (("DELETE", "nobody"), ("POST", "nobody/rotate")):
            reply = self.client.request(method, f"/management/v1/principals/{path}", headers=root)
            self.assertEqual((404, "NoSuchPrincipalException"), (reply.status, reply.error["type"]))

    def test_many_wrong_secrets(self):
        replies = [self.ask(grant_type="client_credentials", client_id=self.user.id,
                            client_secret=f"wrong{i}") for i in range(100)]
        statuses = [reply.status for reply in replies]
        self.assertEqual([401] * 5, statuses[:5])
        self.assertGreater(statuses.count(429), 80)
        blocked = next(reply for reply in replies if reply.status == 429)
        self.assertGreaterEqual(int(blocked.header("Retry-After")), 1)
        self.assertEqual(200, self.grant(self.root).status)  # the others go on

    def test_a_token_that_expires_in_the_middle(self):
        self.server.stop()
        self.server.set_failpoints("commit_before_put=sleep:2500")
        self.server.args += ["--token-lifetime-s", "2"]
        self.server.start()
        token = self.token()
        client = self.connect(token)
        self.assertEqual(200, client.create_namespace("ns").status)
        made = client.create_table("ns", "t").json
        updates, requirements = append(made["metadata"])
        self.assertEqual(200, client.commit("ns", "t", updates, requirements).status)
        self.assertFalse(self.works(token))


class Secrets(AuthTest):
    args = ("--log-level", "debug")

    def test_none_is_in_logs_or_answers(self):
        canary = "canary-7f3a9c-secret"
        token = self.token()
        said = []
        for fields in ({"client_id": self.user.id, "client_secret": canary},
                       {"client_id": canary, "client_secret": canary}, {"client_secret": canary}):
            said.append(self.ask(grant_type="client_credentials", **fields))
        said += [self.ask(basic(self.user.id, canary), grant_type="client_credentials"),
                 self.ask({"Authorization": "Basic " + canary}, grant_type="client_credentials"),
                 self.ask(grant_type=canary, client_secret=canary), self.exchange(canary),
                 self.exchange(token + canary), self.exchange(token, actor_token=canary,
                                                              actor_token_type=ACCESS),
                 self.ask(path=f"{TOKENS}?client_secret={canary}", grant_type="x"),
                 self.client.post(TOKENS, f"client_secret={canary}&%zz", headers=FORM),
                 self.client.post(TOKENS, {"client_secret": canary}),
                 self.client.get("/v1/namespaces", headers=bearer(canary)),
                 self.client.get("/v1/namespaces", headers=bearer("firn_" + canary)),
                 self.client.get("/v1/namespaces", headers=basic(canary, canary)),
                 self.client.get("/v1/namespaces", headers={"Authorization": canary})]
        self.assertTrue(self.works(token))
        self.exchange(token, basic(self.user.id, self.user.secret))
        made = self.principal("create", "third", credential=self.root)
        rotated = self.principal("rotate", "third", credential=self.root)
        raw_exchange(self.server, f"GET /v1/namespaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                     f"{canary}\r\n folded\r\n\r\n".encode(), seconds=2)
        with open(os.path.join(self.server.log_dir, "stderr.1"), "rb") as f:
            log = f.read().decode()
        self.assertIn("token issued", log)
        self.assertIn("token refused", log)
        for reply in said:
            self.assertNotIn(canary, reply.body.decode(), repr(reply))
        for secret in (canary, token, token[5:30], self.user.secret, self.root.secret, made.secret,
                       rotated.secret):
            self.assertNotIn(secret, log)

    def test_none_is_on_disk_or_in_the_process(self):
        token = self.token()
        self.server.stop()
        for folder, _, names in os.walk(self.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    content = f.read()
                for secret in (self.user.secret, self.root.secret, token):
                    self.assertNotIn(secret.encode(), content, name)
        self.assertEqual(0o600, os.stat(os.path.join(self.data, "metastore.db")).st_mode & 0o777)


class WithoutAuth(FirnTest):
    def test_tokens_are_given_but_not_needed(self):
        reply = self.client.post("/management/v1/principals", {"name": self.fresh_name("p")})
        self.assert_status(200, reply)
        reply = self.client.post(TOKENS, form(grant_type="client_credentials",
                                              client_id=reply.json["client-id"],
                                              client_secret=reply.json["client-secret"]),
                                 headers=FORM)
        self.assert_status(200, reply)
        for token in (reply.json["access_token"], "None", "x"):
            self.assert_status(200, self.client.get("/v1/namespaces", headers=bearer(token)))


class Network(unittest.TestCase):
    def test_anonymous_networks_manage_no_principals(self):
        server = Server(args=("--allow-anonymous-network",))
        self.addCleanup(server.close)
        server.spawn("0.0.0.0:0")
        self.assertTrue(server.wait_ready())
        client = server.client()
        self.addCleanup(client.close)
        reply = client.post("/management/v1/principals", {"name": "evil", "admin": True})
        self.assertEqual((403, "ForbiddenException"), (reply.status, reply.error["type"]))
        self.assertEqual(200, client.get("/management/v1/warehouses").status)
        server.stop()

    def test_with_tokens_any_address_will_do(self):
        server = Server(args=("--auth", "required"))
        self.addCleanup(server.close)
        server.spawn("0.0.0.0:0")
        self.assertTrue(server.wait_ready())
        client = server.client()
        self.addCleanup(client.close)
        self.assertEqual(401, client.get("/v1/config").status)
        server.stop()


if __name__ == "__main__":
    unittest.main()
