"""Who sees a registry's credentials: the registry, token services of its own site, and whom somebody allowed.

Hosts of other sites are reached through a proxy of the test, which plays all of them and keeps what each was sent.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from kitops_orchestration.errors import AuthenticationError, RegistryError, RegistryUnavailableError
from kitops_orchestration.oci.auth.authorizer import Authorizer
from kitops_orchestration.oci.auth.credentials import Credential, DockerConfig, StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.url import Origin, is_same_site
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.registry.session import Call, RegistrySession
from kitops_orchestration.settings import Limits

CONTENT = b"weights"
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))
_PAGE = json.dumps({"tags": ["v1"], "repositories": ["team/iris"], "schemaVersion": 2, "manifests": []}).encode()
BASIC = "Basic " + base64.b64encode(b"ada:hunter2").decode()


class Internet:
    """A proxy that answers for every host: registries want a token, ``auth*`` give one, ``cdn*`` have content."""

    def __init__(self) -> None:
        self.realm = ""
        self.redirect = ""
        self.link = ""
        self.needs_login = True
        self.seen: list[tuple[str, str, str]] = []
        internet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                authorization = self.headers.get("Authorization", "")
                internet.seen.append((parts.netloc, parts.path, authorization))
                status, headers, body = internet.answer(parts.netloc, parts.path, authorization)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, host: str, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/token":
            if self.needs_login and authorization != BASIC:
                return 401, {}, b"{}"
            return 200, {}, json.dumps({"token": f"for-{host}-{authorization[:5] or 'nobody'}"}).encode()
        if host.startswith("cdn") and self.realm.split("/")[2] != host:
            return 200, {}, CONTENT
        if not authorization.startswith("Bearer for-"):
            return 401, {"WWW-Authenticate": f'Bearer realm="{self.realm}",service="x"'}, b"{}"
        if self.link and "/_catalog" not in path and not path.endswith("/list") and "/referrers/" not in path:
            return 404, {}, b"{}"
        if self.link:
            return 200, {"Link": f'<{self.link}{path}?last=v1>; rel="next"'}, _PAGE
        if self.redirect and not host.startswith("cdn"):
            return 307, {"Location": self.redirect + path}, b""
        return 200, {}, CONTENT

    def sent(self, host: str) -> set[str]:
        """The kinds of authorization that a host was sent."""
        return {authorization for name, _, authorization in self.seen if name == host}


@pytest.fixture
def internet() -> Iterator[Internet]:
    found = Internet()
    yield found
    found.server.shutdown()
    found.server.server_close()


def opened(internet: Internet, registry: str, **realms: Any) -> RemoteRepository:
    return RemoteRepository(
        Reference(registry, "team/iris"),
        credentials=StaticCredentials({registry: Credential("ada", "hunter2")}, **realms),
        plain_http=True,
        proxy=internet.address,
        limits=Limits(retries=0),
    )


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("registry.example.test", "registry.example.test"),
        ("registry.example.test:5000", "registry.example.test:5001"),
        ("registry-1.example.test", "auth.example.test"),
        ("example.test", "login.example.test"),
        ("a.b.example.test", "auth.c.example.test"),
        ("registry.shop.co.uk", "auth.shop.co.uk"),
        ("Registry.Example.test".lower(), "AUTH.example.TEST"),
    ],
)
def test_a_realm_of_the_registrys_own_site_gets_the_credentials(internet: Internet, registry: str, realm: str) -> None:
    internet.realm = f"http://{realm}/token"
    assert opened(internet, registry).has_blob(BLOB)
    assert BASIC in internet.sent(realm.lower()) | internet.sent(realm)


FOREIGN = [
    ("registry.example.test", "auth.evil.test"),
    ("registry.example.test", "example.test.evil.test"),
    ("registry.example.test", "auth-example.test"),
    ("registry.shop.co.uk", "auth.thief.co.uk"),
    ("registry.shop.com.au", "auth.thief.com.au"),
    ("registry", "auth"),
    ("10.0.0.5:5000", "10.0.0.6:5000"),
    ("10.0.0.5:5000", "127.0.0.9:5000"),
]


@pytest.mark.parametrize(("registry", "realm"), FOREIGN)
def test_a_realm_of_another_site_never_sees_them(internet: Internet, registry: str, realm: str) -> None:
    internet.realm = f"http://{realm}/token"
    repository = opened(internet, registry)
    with pytest.warns(UserWarning, match="at another site") as warned, pytest.raises(AuthenticationError) as caught:
        repository.has_blob(BLOB)
    assert "not sent there" in str(caught.value)
    assert f"KITOPS_TOKEN_REALMS={realm}" in (caught.value.advice or "")
    assert len(warned) == 1
    with pytest.raises(AuthenticationError):
        repository.has_blob(BLOB)  # and it warns no second time, which would be an error here
    assert all("Basic" not in authorization for _, _, authorization in internet.seen)
    assert "hunter2" not in f"{caught.value} {caught.value.advice} {warned[0].message}"


def test_without_a_login_such_a_realm_is_asked_all_the_same(internet: Internet) -> None:
    internet.realm, internet.needs_login = "http://auth.evil.test/token", False
    with pytest.warns(UserWarning, match="at another site"):
        assert opened(internet, "registry.example.test").has_blob(BLOB)
    assert internet.sent("auth.evil.test") == {""}


def by_argument(_: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"token_realms": ["auth.other.test"]}


def by_port(_: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"token_realms": ("auth.other.test:8443",)}


def by_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("KITOPS_TOKEN_REALMS", "x.test, Auth.other.test:8443")
    return {}


@pytest.mark.parametrize("allow", [by_argument, by_port, by_environment])
def test_what_is_allowed_gets_them(
    internet: Internet, monkeypatch: pytest.MonkeyPatch, allow: Callable[[pytest.MonkeyPatch], dict[str, Any]]
) -> None:
    internet.realm = "http://auth.other.test:8443/token"
    assert opened(internet, "registry.example.test", **allow(monkeypatch)).has_blob(BLOB)
    assert internet.sent("auth.other.test:8443") == {BASIC}


def test_another_port_than_the_one_allowed_is_another_service(internet: Internet) -> None:
    internet.realm = "http://auth.other.test:9000/token"
    with pytest.warns(UserWarning, match="another site"), pytest.raises(AuthenticationError):
        opened(internet, "registry.example.test", token_realms=["auth.other.test:8443"]).has_blob(BLOB)


def test_files_have_an_allow_list_too(tmp_path) -> None:
    assert DockerConfig([tmp_path / "config.json"], token_realms=["auth.other.test"]).token_realms == (
        "auth.other.test",
    )


# A redirect to a host with its own challenge


def test_a_redirect_leads_to_a_host_that_wants_its_own_token(internet: Internet) -> None:
    internet.realm, internet.needs_login = "http://cdn.other.test/token", False
    internet.redirect = "http://cdn.other.test"
    repository = RemoteRepository(
        Reference("registry.other.test", "team/iris"),
        credentials=StaticCredentials({"registry.other.test": Credential("ada", "hunter2")}),
        plain_http=True,
        proxy=internet.address,
        limits=Limits(retries=0),
    )
    with repository.fetch_blob(BLOB) as stream:
        assert stream.read() == CONTENT
    at_cdn = [item for item in internet.seen if item[0] == "cdn.other.test" and item[1] != "/token"]
    assert [authorization[:7] for _, _, authorization in at_cdn] == ["", "Bearer "]
    assert "Bearer for-cdn.other.test-nobody" in {item[2] for item in at_cdn}  # not the registry's own


def test_the_other_host_gets_its_own_credentials_and_not_the_registrys(internet: Internet) -> None:
    internet.realm, internet.redirect = "http://cdn.other.test/token", "http://cdn.other.test"
    credentials = {"registry.other.test": Credential("ada", "hunter2"), "cdn.other.test": Credential("bob", "other")}
    repository = RemoteRepository(
        Reference("registry.other.test", "team/iris"),
        credentials=StaticCredentials(credentials),
        plain_http=True,
        proxy=internet.address,
        limits=Limits(retries=0),
    )
    with pytest.raises(AuthenticationError, match=r"cdn\.other\.test"):
        repository.fetch_blob(BLOB)
    sent = [item[2] for item in internet.seen if item[1] == "/token"]
    assert sent == [BASIC, "Basic " + base64.b64encode(b"bob:other").decode()]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("auth.docker.io", "registry-1.docker.io", True),
        ("gitlab.com", "registry.gitlab.com", True),
        ("localhost", "127.0.0.1", True),
        ("[::1]", "localhost", True),
        ("ghcr.io", "gcr.io", False),
        ("io", "docker.io", False),
        ("", "", True),
        ("a..b", "b", False),
        ("1.2.3.4", "9.9.3.4", False),
        ("fe80::1", "fe80::2", False),
        ("x.com", "y.com", False),
        ("a.github.example.org", "b.example.org.", True),
        ("victim.azurecr.io", "evil.azurecr.io", False),
        ("victim.azurecr.io", "azurecr.io", False),
        ("victim.azurecr.io", "VICTIM.azurecr.io.", True),
        ("victim.azurecr.io", "data.victim.azurecr.io", True),
        ("a.github.io", "b.github.io", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "evil.s3.amazonaws.com", False),
        ("europe-docker.pkg.dev", "evil.pkg.dev", False),
        ("victim.jfrog.io", "evil.jfrog.io", False),
        ("registry.gouv.fr", "evil.gouv.fr", False),
        ("a.me.uk", "b.me.uk", False),
    ],
)
def test_what_one_site_is(one: str, other: str, same: bool) -> None:
    assert is_same_site(one, other) is same
    assert is_same_site(other, one) is same


@pytest.mark.parametrize("url", ["http://127.0.0.1:8200/v1/sys/seal", "http://localhost:2375/x", "http://[::1]:1/x"])
@pytest.mark.parametrize(("registry", "is_sent"), [("registry.example.test", False), ("127.0.0.1:5000", True)])
def test_a_registry_elsewhere_leads_to_nothing_on_this_machine_in_the_clear(
    registry: str, is_sent: bool, url: str
) -> None:
    repository = Reference(registry, "team/iris")
    asked: list[str] = []

    def fetch(_: str, url: str, *__: Any) -> tuple[int, bytes]:
        asked.append(url)
        return 200, b'{"token": "t"}'

    host = Origin.of(f"https://{registry}").host
    authorizer = Authorizer(StaticCredentials({}), host=host, is_plain_http=False, fetch=fetch)
    session = RegistrySession(registry, plain_http=False, limits=Limits(retries=0), proxy="http://127.0.0.1:1")
    challenge = [f'Bearer realm="{url}",service="x"']
    if is_sent:
        assert authorizer.answer(challenge, repository, (), rejected=None) == "Bearer t"
        with pytest.raises(RegistryUnavailableError):  # it was tried, and nobody is there
            session.once(Call("GET", url, repository, "fetch"))
        return
    with pytest.raises(AuthenticationError, match="not https"):
        authorizer.answer(challenge, repository, (), rejected=None)
    with pytest.raises(RegistryError, match="not encrypted"):
        session.once(Call("GET", url, repository, "fetch"))
    assert asked == []


INSIDE = ("169.254.169.254", "10.0.0.7", "127.0.0.1:8443", "[::1]:8443", "localhost:8443", "2130706433", "192.168.1.1")


@pytest.mark.parametrize("host", INSIDE)
def test_a_registry_elsewhere_leads_to_nothing_inside_also_encrypted(internet: Internet, host: str) -> None:
    internet.realm = "http://registry.example.test/token"
    internet.redirect = f"https://{host}"
    with pytest.raises(RegistryError, match="an address inside of this network"):
        opened(internet, "registry.example.test").fetch_blob(BLOB)
    internet.realm = f"https://{host}/token"
    with pytest.raises(AuthenticationError, match="an address inside of this network"):
        opened(internet, "another.example.test").fetch_blob(BLOB)
    assert not internet.sent(host)


@pytest.mark.parametrize("host", INSIDE)
def test_an_upload_goes_to_nothing_inside(host: str) -> None:
    session = RegistrySession(
        "registry.example.test", plain_http=False, limits=Limits(retries=0), proxy="http://127.0.0.1:1"
    )
    repository = Reference("registry.example.test", "team/iris")
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        with pytest.raises(RegistryError, match="an address inside of this network"):
            session.once(Call(method, f"https://{host}/upload", repository, "push blob to", ("push",), body=b"x"))


LISTS: dict[str, Callable[[RemoteRepository], Any]] = {
    "tags": lambda repository: list(repository.tags()),
    "referrers": lambda repository: list(repository.referrers("sha256:" + "a" * 64)),
    "catalog": lambda repository: list(repository.catalog()),
}


@pytest.mark.parametrize("list_of", LISTS)
@pytest.mark.parametrize("host", [*INSIDE, "registry.evil.test", "registry.example.test:5001"])
def test_a_list_goes_on_at_no_other_host(internet: Internet, list_of: str, host: str) -> None:
    """Not inside, and not outside either: who continues a list elsewhere would be handed this registry's token."""
    internet.realm, internet.link = "http://registry.example.test/token", f"http://{host}"
    with pytest.raises(RegistryError, match="continues a list on another host"):
        LISTS[list_of](opened(internet, "registry.example.test"))
    assert internet.sent("registry.example.test") >= {BASIC}
    assert {name for name, _, _ in internet.seen} == {"registry.example.test"}
