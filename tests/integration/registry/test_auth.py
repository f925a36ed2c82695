"""Authorization against the embedded registry: scopes, expiry, refresh, and who never gets to see a credential."""

from __future__ import annotations

import json
import threading
import time

import pytest

from kitops_orchestration.errors import AccessDeniedError, AuthenticationError, RegistryError
from kitops_orchestration.oci.auth.credentials import Credential, DockerConfig, StaticCredentials
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes
from kitops_orchestration.testing.registry import Behaviour, EmbeddedRegistry, Fault


class CountingCredentials:
    """Credentials that know how often they were asked, and may change."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def lookup(self, reference):
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def token_registry():
    with EmbeddedRegistry(auth="token") as registry:
        yield registry


@pytest.fixture
def basic_registry():
    with EmbeddedRegistry(auth="basic") as registry:
        yield registry


def right(registry):
    return Credential(registry.username, registry.password)


def opened(registry, name="team/iris", *, credentials=None, **options):
    credentials = credentials or StaticCredentials({registry.host: right(registry)})
    options.setdefault("limits", Limits(retries=2))
    return RemoteRepository(registry.reference(name), credentials=credentials, **options)


def tokens(registry, status=200):
    return registry.count(path_contains="/token", status=status)


def test_basic_is_sent_before_it_is_asked_for_again(basic_registry):
    repository = opened(basic_registry)
    push_random_modelkit(repository, tag="v1")
    assert basic_registry.count(status=401) == 1


def test_a_push_asks_for_one_token_with_both_scopes(token_registry):
    push_random_modelkit(opened(token_registry), tag="v1")
    queries = [record.query for record in token_registry.requests if record.path == "/token"]
    assert len(queries) == 1
    assert "pull%2Cpush" in queries[0]


def test_reading_asks_for_a_token_that_can_only_read(token_registry):
    push_random_modelkit(opened(token_registry), tag="v1")
    token_registry.clear_requests()
    opened(token_registry).resolve("v1")
    queries = [record.query for record in token_registry.requests if record.path == "/token"]
    assert all("push" not in query for query in queries)


def test_each_repository_has_its_own_token(token_registry):
    credentials = StaticCredentials({token_registry.host: right(token_registry)})
    for name in ("team/iris", "team/rose", "team/iris"):
        push_random_modelkit(opened(token_registry, name, credentials=credentials), tag="v1")
    assert tokens(token_registry) == 2


def test_a_deletion_asks_for_its_own_scope(token_registry):
    repository = opened(token_registry)
    push_random_modelkit(repository, tag="v1")
    repository.delete_tag("v1")
    assert list(repository.tags()) == []


def test_a_mount_may_read_the_other_repository(token_registry):
    credentials = StaticCredentials({token_registry.host: right(token_registry)})
    source = opened(token_registry, "team/iris", credentials=credentials)
    built = push_random_modelkit(source, tag="v1")
    destination = opened(token_registry, "team/rose", credentials=credentials)
    assert copy(source, "v1", destination, tag="v1").blobs_mounted == len(built.manifest.blobs)


def test_an_expired_token_is_renewed_before_the_request(token_registry):
    with EmbeddedRegistry(auth="token", token_seconds=0.4) as registry:
        repository = opened(registry)
        push_random_modelkit(repository, tag="v1")
        registry.clear_requests()
        deadline = time.monotonic() + 5
        while tokens(registry) == 0 and time.monotonic() < deadline:
            repository.resolve("v1")
        assert tokens(registry) == 1
        assert registry.count(status=401) == 0


def test_a_token_that_the_registry_forgot_is_renewed_once(token_registry):
    repository = opened(token_registry)
    push_random_modelkit(repository, tag="v1")
    repository.resolve("v1")
    token_registry.expire_tokens()
    token_registry.clear_requests()
    repository.resolve("v1")
    assert (token_registry.count(status=401), tokens(token_registry)) == (1, 1)


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunks"])
def test_an_upload_outlives_its_token(token_registry, chunked):
    content = random_bytes(3 * MIB)
    if chunked:
        token_registry.behaviour.max_body_bytes = MIB
    repository = opened(token_registry, limits=Limits(chunk_bytes=MIB), progress=lambda event: expire(event))

    moments = {MIB, 2 * MIB}

    def expire(event):
        if event.state == "moved" and event.bytes_done in moments:
            moments.remove(event.bytes_done)
            token_registry.expire_tokens()

    descriptor = push_bytes(repository, content)
    with repository.fetch_blob(descriptor) as stream:
        assert stream.read() == content
    assert token_registry.count(method="POST", path_contains="/uploads/", status=202) == (2 if chunked else 1)


def test_a_download_that_breaks_after_its_token_expired_goes_on(token_registry, tmp_path):
    content = random_bytes(3 * MIB)
    repository = opened(token_registry)
    descriptor = push_bytes(repository, content)
    token_registry.add_fault(Fault("GET", "/blobs/", drops=True, after_bytes=MIB))
    download_blob(
        repository,
        descriptor,
        tmp_path / "blob",
        progress=lambda event: token_registry.expire_tokens() if event.state == "moved" else None,
    )
    assert (tmp_path / "blob").read_bytes() == content


def test_an_identity_token_is_exchanged(token_registry):
    credential = Credential(identity_token=token_registry.identity_token)
    repository = opened(token_registry, credentials=StaticCredentials({token_registry.host: credential}))
    push_random_modelkit(repository, tag="v1")
    assert token_registry.count(method="POST", path_contains="/token", status=200) == 1


def test_the_docker_configuration_is_enough(token_registry, tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {token_registry.host: {"identitytoken": token_registry.identity_token}}})
    )
    opened(token_registry, credentials=DockerConfig([tmp_path / "config.json"])).ping()


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_a_wrong_password_is_told_at_once_and_not_shown(kind):
    with EmbeddedRegistry(auth=kind) as registry:
        credentials = StaticCredentials({registry.host: Credential("ada", "hunter2")})
        with pytest.raises(AuthenticationError) as caught:
            opened(registry, credentials=credentials).resolve("v1")
        assert "hunter2" not in f"{caught.value} {caught.value.advice}"
        assert caught.value.advice
        assert len(registry.requests) <= 4


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_no_credential_is_told_as_such(kind):
    with EmbeddedRegistry(auth=kind) as registry, pytest.raises(AuthenticationError) as caught:
        opened(registry, credentials=StaticCredentials({})).resolve("v1")
    assert "log in" in caught.value.advice
    assert caught.value.__cause__ is not caught.value  # whoever follows the causes of an error must come to an end


def test_a_credential_that_was_rotated_is_asked_for_again(token_registry):
    credentials = CountingCredentials(Credential("ada", "old"), right(token_registry))
    opened(token_registry, credentials=credentials).ping()
    assert credentials.asked == 2


def test_a_credential_is_asked_for_once(token_registry):
    credentials = CountingCredentials(right(token_registry))
    repository = opened(token_registry, credentials=credentials)
    push_random_modelkit(repository, tag="v1")
    assert credentials.asked == 1


def test_a_denied_request_is_not_tried_again(token_registry):
    repository = opened(token_registry)
    push_random_modelkit(repository, tag="v1")
    repository.resolve("v1")
    token_registry.clear_requests()
    token_registry.fail_next(method="HEAD", status=403, code="DENIED")
    with pytest.raises(AccessDeniedError):
        repository.resolve("v1")
    assert len(token_registry.requests) == 1


def test_a_token_server_that_is_down_for_a_moment_is_waited_for(token_registry):
    token_registry.fail_next(path_contains="/token", status=503, retry_after=0)
    push_random_modelkit(opened(token_registry), tag="v1")


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"no json", b'{"token": 7}', b'{"token": "a\\r\\nb"}'])
def test_a_token_answer_that_is_none_is_an_error(token_registry, answer, monkeypatch):
    monkeypatch.setattr(type(token_registry._gate), "issue", lambda self, exchange: exchange.send(200, body=answer))
    with pytest.raises(AuthenticationError):
        opened(token_registry).resolve("v1")


def test_many_threads_share_tokens_and_never_see_a_401():
    with EmbeddedRegistry(auth="token", token_seconds=1.0) as registry:
        credentials = StaticCredentials({registry.host: right(registry)})
        repositories = [opened(registry, name, credentials=credentials) for name in ("team/iris", "team/rose")]
        built = [push_random_modelkit(repository, tag="v1") for repository in repositories]
        failures = []
        end = time.monotonic() + 2.5

        def work(number):
            try:
                while time.monotonic() < end:
                    repositories[number % 2].resolve("v1")
                    with repositories[number % 2].fetch_blob(built[number % 2].manifest.config) as stream:
                        stream.read()
            except Exception as error:  # of a thread: the test looks at them
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        registry.clear_requests()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert registry.count(path_contains="/v2/") > 50
        # two repositories, each renewed at most every 0.75 s: 2 * (2.5 / 0.75 + 1), and no storm
        assert tokens(registry) <= 10


# Who never sees a credential


def authorized(registry, host):
    return [record for record in registry.requests if record.host == host and "authorization" in record.headers]


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_credentials_do_not_follow_a_redirect_to_another_host(kind, tmp_path):
    with EmbeddedRegistry(auth=kind, behaviour=Behaviour(redirects_blobs=True)) as registry:
        repository = opened(registry)
        content = random_bytes(3 * MIB)
        descriptor = push_bytes(repository, content)
        registry.add_fault(Fault("GET", "/blobs/"))
        registry.add_fault(Fault("GET", drops=True, after_bytes=MIB))
        download_blob(repository, descriptor, tmp_path / "blob")
        assert (tmp_path / "blob").read_bytes() == content
        assert [record for record in registry.requests if record.host == registry.foreign_host]
        assert authorized(registry, registry.foreign_host) == []


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_credentials_do_not_go_to_an_upload_on_another_host(kind):
    with EmbeddedRegistry(auth=kind, behaviour=Behaviour(upload_location="foreign")) as registry:
        push_random_modelkit(opened(registry), tag="v1")
        assert [record for record in registry.requests if record.host == registry.foreign_host]
        assert authorized(registry, registry.foreign_host) == []


def test_a_list_that_continues_on_another_host_is_refused(token_registry):
    repository = opened(token_registry)
    for tag in ("v1", "v2", "v3"):
        push_random_modelkit(repository, tag=tag)
    token_registry.behaviour.page_size = 1
    assert list(repository.tags()) == ["v1", "v2", "v3"]
    token_registry.behaviour.link = "foreign"
    token_registry.clear_requests()
    with pytest.raises(RegistryError):
        list(repository.tags())
    assert authorized(token_registry, token_registry.foreign_host) == []


def test_one_registrys_credentials_never_reach_another(token_registry, basic_registry):
    both = StaticCredentials(
        {token_registry.host: right(token_registry), basic_registry.host: Credential("tester", "wrong")}
    )
    source = opened(token_registry, credentials=both)
    push_random_modelkit(source, tag="v1")
    with pytest.raises(AuthenticationError):
        copy(source, "v1", opened(basic_registry, credentials=both), tag="v1")
    assert all(record.headers.get("authorization", "basic").lower() == "basic" for record in basic_registry.requests)


def test_a_path_has_its_own_credential(basic_registry):
    credentials = StaticCredentials(
        {f"{basic_registry.host}/team": right(basic_registry), basic_registry.host: Credential("nobody", "x")}
    )
    push_random_modelkit(opened(basic_registry, "team/iris", credentials=credentials), tag="v1")
    with pytest.raises(AuthenticationError):
        opened(basic_registry, "other/iris", credentials=credentials).resolve("v1")


def test_netrc_is_inert(token_registry, tmp_path, monkeypatch):
    host = token_registry.host.partition(":")[0]
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine {host} login mallory password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    push_random_modelkit(opened(token_registry), tag="v1")
    schemes = {record.headers["authorization"] for record in token_registry.requests if record.path != "/token"
               and "authorization" in record.headers}  # fmt: skip
    assert {scheme.lower() for scheme in schemes} == {"bearer"}


def test_a_realm_that_is_not_encrypted_gets_no_credential(basic_registry, monkeypatch):
    challenge = 'Bearer realm="http://token.example/token",service="x"'
    basic_registry.fail_next(status=401, headers={"WWW-Authenticate": challenge})
    repository = opened(basic_registry, plain_http=False)
    # the registry is spoken to over http here only because it is this machine
    repository._session._auth._is_plain_http = False
    repository._session.root = f"http://{basic_registry.host}"
    repository._session.origin = type(repository._session.origin).of(repository._session.root)
    with pytest.raises(AuthenticationError, match="not https"):
        repository.ping()
