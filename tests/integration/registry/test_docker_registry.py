"""Debian's docker-registry in the forms that need a configuration: TLS, tokens, passwords, maintenance."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import socket
import ssl
import threading
import time
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import (
    AuthenticationError,
    KitOpsError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
    RegistryUnavailableError,
)
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.checkpoint import FileCheckpoint
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.transfer.push import push_content
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes

NOBODY = StaticCredentials({})
USER, PASSWORD = "ada", "correct horse"


def opened(host, name="team/iris", **options):
    options.setdefault("credentials", NOBODY)
    options.setdefault("limits", Limits(retries=1))
    return RemoteRepository(Reference(host, name), **options)


def moves_modelkits(repository, tmp_path):
    """Push, read back, list, refer, download: everything once."""
    built = push_random_modelkit(repository, tag="v1")
    assert repository.resolve("v1").digest == built.descriptor.digest
    assert list(repository.tags()) == ["v1"]
    for descriptor in built.manifest.blobs:
        download_blob(repository, descriptor, tmp_path / "out" / descriptor.digest.hex)
        assert (tmp_path / "out" / descriptor.digest.hex).read_bytes() == built.contents[descriptor.digest]
    return built


# TLS


@pytest.fixture
def tls_host(run_registry, authority):
    return run_registry(http={"tls": {"certificate": str(authority.certificate_path), "key": str(authority.key_path)}})


def test_an_authority_of_ones_own_is_trusted_when_it_is_named(tls_host, authority, tmp_path):
    repository = opened(tls_host, tls=TlsOptions(ca_bundle=authority.ca_path))
    assert repository.is_encrypted
    moves_modelkits(repository, tmp_path)


def test_large_blobs_move_over_tls(tls_host, authority, tmp_path):
    repository = opened(tls_host, tls=TlsOptions(ca_bundle=authority.ca_path))
    content = random_bytes(40 * MIB)
    pushed = push_content(repository, BytesSource(content), "a/b")
    download_blob(repository, pushed.descriptor, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == content


def test_an_unknown_authority_is_refused_once_and_with_advice(tls_host):
    with pytest.raises(RegistryError, match="not trusted") as caught:
        opened(tls_host, plain_http=False, limits=Limits(retries=5)).resolve("v1")
    assert not isinstance(caught.value, RegistryUnavailableError)
    assert "ca_bundle" in caught.value.advice


def test_verification_can_be_switched_off(tls_host, tmp_path):
    moves_modelkits(opened(tls_host, plain_http=False, tls=TlsOptions(verify=False)), tmp_path)


def test_the_name_in_the_certificate_has_to_be_right(tls_host, authority, run_registry):
    wrong = authority.ca.issue_cert("other.test")
    folder = authority.ca_path.parent
    wrong.private_key_and_cert_chain_pem.write_to_path(str(folder / "wrong.pem"))
    host = run_registry(
        "wrong", http={"tls": {"certificate": str(folder / "wrong.pem"), "key": str(folder / "wrong.pem")}}
    )
    with pytest.raises(RegistryError, match="not trusted"):
        opened(host, tls=TlsOptions(ca_bundle=authority.ca_path)).resolve("v1")


def test_a_bundle_named_by_the_environment_is_used(tls_host, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_path))
    moves_modelkits(opened(tls_host, plain_http=False), tmp_path)


def test_speaking_tls_to_plain_http_says_so(docker_registry):
    with pytest.raises(RegistryUnavailableError, match="does not speak TLS") as caught:
        opened(docker_registry.host, plain_http=False, limits=Limits(retries=5)).resolve("v1")
    assert "plain_http" in caught.value.advice


def test_a_client_certificate_opens_a_registry_that_wants_one(run_registry, authority, tmp_path):
    host = run_registry(
        http={
            "tls": {
                "certificate": str(authority.certificate_path),
                "key": str(authority.key_path),
                "clientcas": [str(authority.ca_path)],
            }
        }
    )
    with pytest.raises(RegistryError):
        opened(host, tls=TlsOptions(ca_bundle=authority.ca_path), limits=Limits(retries=0)).resolve("v1")
    client = authority.ca.issue_cert("client@example.test")
    client.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    client_tls = TlsOptions(
        ca_bundle=authority.ca_path, client_certificate=tmp_path / "client.pem", client_key=tmp_path / "client.key"
    )
    moves_modelkits(opened(host, tls=client_tls), tmp_path)


def test_a_registry_behind_a_proxy_that_ends_tls_is_spoken_to_over_tls_only(docker_registry, authority, tmp_path):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate_path, authority.key_path)
    with Relay(docker_registry.host, tls=context) as host:
        repository = opened(host, f"team/{uuid.uuid4().hex}", tls=TlsOptions(ca_bundle=authority.ca_path))
        moves_modelkits(repository, tmp_path)


# Passwords and tokens


def test_a_password_opens_a_registry_that_wants_one(run_registry, tmp_path):
    import bcrypt

    entry = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"{USER}:{entry}\n")
    host = run_registry(auth={"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}})
    moves_modelkits(opened(host, credentials=StaticCredentials({host: Credential(USER, PASSWORD)})), tmp_path)
    for credentials in (NOBODY, StaticCredentials({host: Credential(USER, "wrong")})):
        with pytest.raises(AuthenticationError):
            opened(host, credentials=credentials).resolve("v1")


class TokenServer(http.server.ThreadingHTTPServer):
    """Signs tokens for the scopes asked for, as the distribution project's specification says."""

    daemon_threads = True

    def __init__(self, authority, seconds):
        super().__init__(("127.0.0.1", 0), _TokenHandler)
        self.seconds = seconds
        self.tokens = 0
        issued = authority.ca.issue_cert("token.test")
        self.key = issued.private_key_pem.bytes()
        chain = [pem.bytes().decode() for pem in issued.cert_chain_pems]
        self.x5c = ["".join(pem.strip().splitlines()[1:-1]) for pem in chain]
        self.realm = f"http://127.0.0.1:{self.server_address[1]}/token"

    def sign(self, query):
        import jwt
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self.tokens += 1
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {
            "iss": "tests",
            "sub": USER,
            "aud": query["service"][0],
            "nbf": now - 5,
            "iat": now,
            "exp": now + self.seconds,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        key = load_pem_private_key(self.key, None)
        algorithm = "RS256" if "RSA" in type(key).__name__ else "ES256"
        return jwt.encode(claims, key, algorithm=algorithm, headers={"x5c": self.x5c})


class _TokenHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        is_known = self.headers.get("Authorization") == expected
        query = parse_qs(urlsplit(self.path).query)
        answer = {"token": self.server.sign(query), "expires_in": self.server.seconds} if is_known else {}
        body = json.dumps(answer).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def token_server(authority):
    server = TokenServer(authority, 60)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def token_host(run_registry, token_server, authority):
    token = {
        "realm": token_server.realm,
        "service": "tests",
        "issuer": "tests",
        "rootcertbundle": str(authority.ca_path),
    }
    return run_registry(auth={"token": token})


def test_scoped_tokens_open_a_registry(token_host, token_server, tmp_path):
    credentials = StaticCredentials({token_host: Credential(USER, PASSWORD)})
    source = opened(token_host, credentials=credentials)
    built = moves_modelkits(source, tmp_path)
    destination = opened(token_host, "team/rose", credentials=credentials)
    assert copy(source, "v1", destination, tag="v1").blobs_mounted == len(built.manifest.blobs)
    assert token_server.tokens <= 6


def test_a_token_for_nobody_is_refused(token_host):
    with pytest.raises(AuthenticationError) as caught:
        opened(token_host, credentials=StaticCredentials({token_host: Credential(USER, "hunter2")})).resolve("v1")
    assert "hunter2" not in str(caught.value)


# What this registry cannot do


def test_a_registry_in_maintenance_reads_and_says_that_it_does_not_write(run_registry, tmp_path):
    host = run_registry("writable")
    built = push_random_modelkit(opened(host), tag="v1")
    storage = {
        "filesystem": {"rootdirectory": str(tmp_path / "writable" / "storage")},
        "maintenance": {"readonly": {"enabled": True}},
    }
    read_only = opened(run_registry("read-only", storage=storage))
    assert read_only.resolve("v1").digest == built.descriptor.digest
    with pytest.raises(RegistryResponseError) as caught:
        push_bytes(read_only, b"new")
    assert caught.value.status == 405


def test_a_registry_without_deletion_is_told_from_a_missing_tag(run_registry):
    repository = opened(run_registry(storage={"delete": {"enabled": False}}))
    push_random_modelkit(repository, tag="v1")
    with pytest.raises(RegistryResponseError) as caught:
        repository.delete_tag("v1")
    assert caught.value.advice
    with pytest.raises(NotFoundError):
        repository.delete_tag("v2")
    with pytest.raises(RegistryResponseError):
        repository.delete_manifest(repository.resolve("v1").digest)
    assert list(repository.tags()) == ["v1"]


def test_a_manifest_is_deleted_by_digest_where_that_is_allowed(docker_registry, repository_name):
    repository = opened(docker_registry.host, repository_name)
    digest = push_random_modelkit(repository, tag="v1").descriptor.digest
    repository.delete_manifest(digest)
    for missing in (digest, "v1"):
        with pytest.raises(NotFoundError):
            repository.resolve(missing)
    with pytest.raises(NotFoundError):
        repository.delete_manifest(digest)


def test_a_broken_upload_starts_over_where_the_registry_lost_it(docker_registry, repository_name, tmp_path):
    content = random_bytes(5 * MIB)
    descriptor = Descriptor("a/b", Digest.of(content), len(content))
    with Relay(docker_registry.host, cut_after_bytes=2 * MIB) as host:
        repository = opened(host, repository_name, limits=Limits(retries=3))
        repository.push_blob(descriptor, BytesSource(content))
    with opened(docker_registry.host, repository_name).fetch_blob(descriptor) as stream:
        assert stream.read() == content


def test_chunks_reach_a_real_registry(docker_registry, repository_name, tmp_path):
    content = random_bytes(5 * MIB)
    descriptor = Descriptor("a/b", Digest.of(content), len(content))
    checkpoint = FileCheckpoint(tmp_path / "state")
    repository = opened(
        docker_registry.host, repository_name, limits=Limits(chunk_bytes=2 * MIB), checkpoint=checkpoint
    )
    assert repository.push_blob(descriptor, BytesSource(content))
    with repository.fetch_blob(descriptor, offset=MIB) as stream:
        assert stream.read() == content[MIB:]


def test_tags_are_listed_sorted_although_the_registry_does_not_sort(docker_registry, repository_name):
    repository = opened(docker_registry.host, repository_name)
    built = push_random_modelkit(repository, tag="v1")
    names = [f"t{number}" for number in range(60)]
    for name in names:
        repository.set_tag(name, built.descriptor)
    assert list(repository.tags()) == sorted([*names, "v1"])


# Proxies


class Relay:
    """A TCP relay: ends TLS when asked to, and cuts its first connection that carries more than some bytes."""

    def __init__(self, target, *, cut_after_bytes=None, tls=None):
        self.target = (target.split(":")[0], int(target.split(":")[1]))
        self.left = cut_after_bytes
        self.tls = tls
        self.accepted = 0
        self.server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return f"127.0.0.1:{self.server.getsockname()[1]}"

    def __exit__(self, *exc):
        self.server.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
            with client, socket.create_connection(self.target) as upstream:
                back = threading.Thread(target=self._relay, args=(upstream, client, False), daemon=True)
                back.start()
                self._relay(client, upstream, True)
                back.join()

    def _relay(self, source, sink, is_counted):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_counted and self.left is not None:
                    self.left -= len(data)
                    if self.left < 0:
                        self.left = None
                        break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_one_connection_serves_one_thread_after_another(docker_registry, tmp_path):
    relay = Relay(docker_registry.host)
    with relay as host:
        moves_modelkits(opened(host, f"team/{uuid.uuid4().hex}"), tmp_path)
    assert relay.accepted == 1


class ConnectProxy(http.server.ThreadingHTTPServer):
    """A forward proxy: CONNECT tunnels and absolute addresses, both with a password."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.target = target
        self.seen = []


class _ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _admitted(self):
        self.server.seen.append((self.command, self.path))
        expected = "Basic " + base64.b64encode(b"ada:proxy").decode()
        if self.headers.get("Proxy-Authorization") == expected:
            return True
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_CONNECT(self):
        if not self._admitted():
            return
        upstream = socket.create_connection(self.server.target)
        self.send_response(200)
        self.end_headers()
        back = threading.Thread(target=self._relay, args=(upstream, self.connection), daemon=True)
        back.start()
        self._relay(self.connection, upstream)
        back.join()
        upstream.close()
        self.close_connection = True

    def _relay(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def do_GET(self):
        if not self._admitted():
            return
        body = b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def proxy(request):
    def start(target):
        server = ConnectProxy(target)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        request.addfinalizer(server.server_close)
        request.addfinalizer(server.shutdown)
        return server

    return start


def test_tls_goes_through_the_proxys_tunnel(tls_host, authority, proxy, tmp_path, monkeypatch):
    port = int(tls_host.split(":")[1])
    server = proxy(("127.0.0.1", port))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:proxy@127.0.0.1:{server.server_address[1]}")
    repository = opened(f"registry.test:{port}", tls=TlsOptions(ca_bundle=authority.ca_path))
    moves_modelkits(repository, tmp_path)
    assert {path for _, path in server.seen} == {f"registry.test:{port}"}


def test_a_proxy_of_the_call_goes_before_the_environments(tls_host, authority, proxy, tmp_path, monkeypatch):
    port = int(tls_host.split(":")[1])
    server = proxy(("127.0.0.1", port))
    monkeypatch.setenv("NO_PROXY", "registry.test")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    address = f"http://ada:proxy@127.0.0.1:{server.server_address[1]}"
    client = KitClient(f"registry.test:{port}", tls=TlsOptions(ca_bundle=authority.ca_path), proxy=address)
    moves_modelkits(client.repository(f"team/{uuid.uuid4().hex}"), tmp_path)
    assert {path for _, path in server.seen} == {f"registry.test:{port}"}


def test_plain_http_asks_the_proxy_by_address(proxy, monkeypatch):
    server = proxy(("127.0.0.1", 1))
    monkeypatch.setenv("HTTP_PROXY", f"http://ada:proxy@127.0.0.1:{server.server_address[1]}")
    opened("registry.test:5000", plain_http=True).ping()
    assert server.seen == [("GET", "http://registry.test:5000/v2/")]


def test_a_proxy_that_refuses_is_an_error_without_its_password(proxy, monkeypatch, authority):
    server = proxy(("127.0.0.1", 1))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:hunter2@127.0.0.1:{server.server_address[1]}")
    with pytest.raises(KitOpsError) as caught:
        opened("registry.test", limits=Limits(retries=0)).ping()
    assert "407" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_tls_sessions_are_not_weaker_than_1_2():
    assert TlsOptions().context().minimum_version >= ssl.TLSVersion.TLSv1_2
