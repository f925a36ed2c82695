"""Mirrors and other locations of ``registries.conf``: pulls come from there, nothing is pushed there."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import socket
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.errors import IntegrityError, KitOpsError, NotFoundError, RegistryError
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.http.registry_files import entry_of
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.schemes import open_to_pull
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing import EmbeddedRegistry, make_context_dir
from kitops_orchestration.testing.builders import push_random_modelkit
from kitops_orchestration.testing.registry import Behaviour

NOBODY = StaticCredentials({})
QUICK = Limits(retries=0, silence_timeout_seconds=5)


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    path = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(text: str) -> Path:
        path.write_text(text)
        return path

    return write


@pytest.fixture
def registries() -> Iterator[Callable[..., EmbeddedRegistry]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(EmbeddedRegistry(**options))


def filled(registry: EmbeddedRegistry, name: str, *, seed: int = 0, tag: str = "v1", **options) -> Digest:
    place = RemoteRepository(registry.reference(name), credentials=options.get("credentials", NOBODY), limits=QUICK)
    return push_random_modelkit(place, tag=tag, layers=2, layer_bytes=5000, seed=seed).descriptor.digest


def entry(prefix: str, *mirrors: str, more: str = "") -> str:
    listed = "".join(f'[[registry.mirror]]\nlocation = "{mirror}"\n' for mirror in mirrors)
    return f'[[registry]]\nprefix = "{prefix}"\n{more}\n{listed}'


def client(**options) -> KitClient:
    return KitClient(**{"credentials": NOBODY, "limits": QUICK, **options})


def test_a_mirror_is_asked_first_and_the_registry_not_at_all(conf, registries, tmp_path: Path) -> None:
    origin, mirror = registries(), registries()
    client().pack(make_context_dir(tmp_path / "context"), f"{mirror.host}/cache/team/iris:v1")
    conf(entry(f"{origin.host}/team", f"{mirror.host}/cache/team", more=f'location = "{origin.host}/team"'))
    unpacked = client().unpack(f"{origin.host}/team/iris:v1", tmp_path / "out")
    assert (tmp_path / "out/model.bin").read_bytes() == (tmp_path / "context/model.bin").read_bytes()
    assert str(unpacked.reference).startswith(f"{origin.host}/team/iris:v1@sha256:")  # what was named, not the mirror
    assert not origin.requests


def test_what_the_mirrors_lack_is_taken_from_the_next_and_then_the_location(conf, registries) -> None:
    origin, one, two = registries(), registries(), registries()
    first = filled(two, "team/iris", tag="v1", seed=1)
    second = filled(origin, "team/iris", tag="v2", seed=2)
    conf(entry(origin.host, one.host, two.host, more=f'location = "{origin.host}"'))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that a mirror has not all is no news
        assert client().inspect(f"{origin.host}/team/iris:v1", allow_foreign=True).digest == first
        assert client().inspect(f"{origin.host}/team/iris:v2", allow_foreign=True).digest == second
    with pytest.raises(NotFoundError) as caught:
        client().inspect(f"{origin.host}/team/iris:v3")
    assert one.host in str(caught.value.advice)
    assert two.host in str(caught.value.advice)


def test_a_blob_that_a_mirror_lost_comes_from_the_location(conf, registries, tmp_path: Path) -> None:
    origin, mirror = registries(), registries()
    for registry in (origin, mirror):
        digest = filled(registry, "team/iris", seed=3)
    place = RemoteRepository(mirror.reference("team/iris"), credentials=NOBODY)
    lost = place.fetch_manifest("v1").layers[0].digest
    mirror.fail_next(method="GET", path_contains=lost, status=404, times=9, code="BLOB_UNKNOWN")
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    copied = client().copy(f"{origin.host}/team/iris:v1", f"{(tmp_path / 'folder').as_uri()}/iris:v1")
    assert copied.reference.digest == digest
    assert origin.count(method="GET", path_contains=lost) == 1
    assert origin.count(method="GET") < mirror.count(method="GET")


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_mirror_that_refuses_is_passed_over_with_one_warning(conf, registries, status: int) -> None:
    origin, mirror = registries(), registries()
    digest = filled(origin, "team/iris")
    mirror.fail_next(status=status, times=50)
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    place = client().pulled_from(f"{origin.host}/team/iris:v1")
    with pytest.warns(UserWarning, match=f"the mirror {mirror.host}/team/iris of {origin.host}/team/iris"):
        assert place.resolve("v1").digest == digest
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place.fetch_manifest(digest)


def test_a_mirror_that_is_not_there_costs_a_moment(conf, registries) -> None:
    origin = registries()
    digest = filled(origin, "team/iris")
    conf(entry(origin.host, "127.0.0.1:1", more=f'location = "{origin.host}"'))
    with pytest.warns(UserWarning, match=r"the mirror 127\.0\.0\.1:1"):
        found = client(limits=Limits(retries=9)).inspect(f"{origin.host}/team/iris:v1", allow_foreign=True)
    assert found.digest == digest


def test_a_mirror_with_other_bytes_under_the_digest_is_passed_over(conf, registries) -> None:
    origin, mirror = registries(), registries()
    digest = filled(origin, "team/iris", seed=1)
    other = filled(mirror, "team/iris", seed=2)
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    pinned = Reference.parse(f"{origin.host}/team/iris@{digest}")
    place = client().pulled_from(pinned)
    assert place.fetch_manifest(digest).digest == digest
    assert client().pulled_from(f"{origin.host}/team/iris:v1").resolve("v1").digest == other  # a tag is what it says


def test_pushes_tags_and_evidence_go_to_the_registry_that_is_named(conf, registries, tmp_path: Path) -> None:
    origin, mirror, elsewhere = registries(), registries(), registries()
    conf(entry(origin.host, mirror.host, more=f'location = "{elsewhere.host}"'))
    name = f"{origin.host}/team/iris"
    client().pack(make_context_dir(tmp_path / "context"), f"{name}:v1")
    client().tag(f"{name}:v1", "v2")
    assert client().tags(name) == ["v1", "v2"]
    client().copy(f"{name}:v1", f"{name}:v3")
    client().remove(f"{name}:v3")
    assert not mirror.requests
    assert not elsewhere.requests


def test_who_vouches_is_asked_at_the_location_alone(conf, registries) -> None:
    origin, mirror = registries(), registries()
    for registry in (origin, mirror):
        digest = filled(registry, "team/iris", seed=5)
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    place = client().pulled_from(f"{origin.host}/team/iris:v1")
    assert place.resolve("v1").digest == digest
    place.referrers(digest)
    assert list(place.tags()) == ["v1"]
    assert mirror.count(path_contains="/referrers/") == mirror.count(path_contains="/tags/") == 0
    assert origin.count(path_contains="/referrers/") == 1


def test_evidence_at_a_tag_is_asked_for_at_the_location_alone(conf, registries, tmp_path: Path) -> None:
    """A mirror that lags has the list of before the "no", and without the referrers API a tag carries the list."""
    origin, mirror = (registries(behaviour=Behaviour(referrers_api=False)) for _ in range(2))
    name = f"{origin.host}/team/iris:v1"
    packed = client().pack(make_context_dir(tmp_path / "context"), name)
    client().attest(name, "test-result", {"result": "PASSED", "configuration": []})
    client().copy(name, f"{mirror.host}/team/iris:v1", referrers=True)
    client().attest(name, "test-result", {"result": "FAILED", "configuration": []})
    seen = mirror.count(path_contains="/manifests/sha256-", method="GET")
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    assert sorted(item.predicate.result for item in client().lineage(name).tests) == ["FAILED", "PASSED"]
    place = client().pulled_from(name)
    assert len(place.referrers(packed.digest)) == 2
    assert mirror.count(path_contains="/manifests/sha256-", method="GET") == seen


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_pinned_digest_is_not_taken_for_one_of_another_kind(conf, registries, is_mirrored: bool) -> None:
    """A registry answers HEAD for a digest with the digest of something else, by another algorithm."""
    origin, evil = registries(), registries()
    good = filled(origin, "team/iris")
    bad = filled(evil, "team/iris", seed=7)
    content = RemoteRepository(evil.reference("team/iris"), credentials=NOBODY).fetch_manifest(bad).content

    class Liar(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            self.send_header("Docker-Content-Digest", f"sha512:{hashlib.sha512(content).hexdigest()}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the report clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        liar = f"127.0.0.1:{server.server_port}"
        if is_mirrored:
            conf(entry(origin.host, liar, more=f'location = "{origin.host}"'))
            place = client().pulled_from(f"{origin.host}/team/iris@{good}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert place.resolve(good).digest == good
        else:
            with pytest.raises(IntegrityError):
                RemoteRepository(Reference(liar, "team/iris"), credentials=NOBODY, limits=QUICK).resolve(good)
    finally:
        server.shutdown()
        server.server_close()


def test_credentials_are_those_of_each_host(conf, registries) -> None:
    origin = registries(auth="basic", username="a", password="of-origin")
    mirror = registries(auth="basic", username="b", password="of-mirror")
    known = StaticCredentials({origin.host: Credential("a", "of-origin"), mirror.host: Credential("b", "of-mirror")})
    digest = filled(mirror, "team/iris", credentials=known)
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    found = client(credentials=known).inspect(f"{origin.host}/team/iris:v1", allow_foreign=True)
    assert found.digest == digest
    assert not origin.requests


def test_a_location_is_where_a_prefix_really_is(conf, registries) -> None:
    real = registries()
    digest = filled(real, "inner/models/iris")
    conf(entry("models.example/team", more=f'location = "{real.host}/inner/models"'))
    assert client().inspect("models.example/team/iris:v1", allow_foreign=True).digest == digest
    with pytest.raises(RegistryError):
        client().inspect("models.example/teams/iris:v1")  # another prefix


def test_a_star_stands_for_all_hosts_below(conf, registries) -> None:
    mirror = registries()
    digest = filled(mirror, "team/iris")
    conf(entry("*.example.test", mirror.host))
    for host in ("a.example.test", "b.a.example.test"):
        assert client().inspect(f"{host}/team/iris:v1", allow_foreign=True).digest == digest


@pytest.mark.parametrize(
    ("more", "mirror_line", "tag_from", "digest_from"),
    [
        ("", "", "mirror", "mirror"),
        ("mirror-by-digest-only = true", "", "origin", "mirror"),
        ("", 'pull-from-mirror = "digest-only"', "origin", "mirror"),
        ("", 'pull-from-mirror = "tag-only"', "mirror", "origin"),
        ("", 'pull-from-mirror = "all"', "mirror", "mirror"),
    ],
)
def test_some_mirrors_are_for_tags_or_digests_alone(
    conf, registries, more: str, mirror_line: str, tag_from: str, digest_from: str
) -> None:
    places = {"origin": registries(), "mirror": registries()}
    for place in places.values():
        digest = filled(place, "team/iris", seed=4)
        place.clear_requests()
    origin, mirror = places["origin"].host, places["mirror"].host
    conf(entry(origin, mirror, more=f'location = "{origin}"\n{more}') + mirror_line)
    for target, expected in ((":v1", tag_from), (f"@{digest}", digest_from)):
        client().inspect(f"{origin}/team/iris{target}", allow_foreign=True)
        assert [name for name, place in places.items() if place.requests] == [expected]
        for place in places.values():
            place.clear_requests()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\ninsecure = true\n', "a mirror has no location"),
        ('[[registry]]\nlocation = "https://a.test"\nprefix = "a.test"\n', "is no registry"),
        ('[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "x"\n', "'x'"),
        (
            entry("a.test", "b.test", more="mirror-by-digest-only = true") + 'pull-from-mirror = "all"\n',
            "mirror-by-digest-only and a mirror",
        ),
        ('[[registry]]\nlocation = "a.test"\nmirror = 5\n', "its mirror is no table"),
        ('[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "b.test/UPPER"\n', "names no repository"),
    ],
)
def test_an_entry_that_makes_no_sense_is_an_error_with_its_file(conf, text: str, message: str) -> None:
    path = conf(text)
    with pytest.raises(KitOpsError, match=message) as caught:
        client().inspect("a.test/team/iris:v1")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("prefix", "location", "name", "expected"),
    [
        ("a.test", "b.test/x", "a.test/team/iris", "b.test/x/team/iris"),
        ("a.test/team", "b.test", "a.test/team/iris", "b.test/iris"),
        ("a.test/team/iris", "b.test/other", "a.test/team/iris", "b.test/other"),
        ("docker.io", "b.test/hub", "docker.io/iris", "b.test/hub/library/iris"),
        ("docker.io/library", "b.test", "index.docker.io/iris", "b.test/iris"),
        ("A.test:443", "b.test", "a.TEST/iris", "b.test/iris"),
        ("*.test", "b.test", "c.a.test:5000/iris", "b.test:5000/iris"),
        ("a.test/", "b.test/", "a.test/iris", "b.test/iris"),
    ],
)
def test_a_name_is_rewritten(conf, prefix: str, location: str, name: str, expected: str) -> None:
    conf(entry(prefix, more=f'location = "{location}"'))
    found = entry_of(name)
    assert found is not None
    assert found.renamed(name, found.own) == expected


def test_insecure_goes_as_deep_as_its_prefix(conf, run_registry, authority) -> None:
    files = {"certificate": str(authority.certificate_path), "key": str(authority.key_path)}
    host = run_registry(http={"tls": files})
    conf(entry(f"{host}/open", more=f'location = "{host}/open"\ninsecure = true'))
    options = {"credentials": NOBODY, "limits": QUICK, "plain_http": False}
    push_random_modelkit(RemoteRepository(Reference(host, "open/iris"), **options), tag="v1", layers=1, layer_bytes=9)
    with pytest.raises(RegistryError, match="not trusted"):
        RemoteRepository(Reference(host, "closed/iris"), **options).resolve("v1")


@pytest.fixture
def _this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this machine a name that is no loopback one: those are spoken to without TLS anyway."""
    asked = socket.getaddrinfo

    def here(host: str, *arguments, **options):
        return asked("127.0.0.1" if host == "this.machine.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.mark.usefixtures("_this_machine")
def test_an_insecure_registry_without_tls_is_spoken_to_in_the_clear(conf, registries) -> None:
    origin = registries(auth="basic", username="a", password="b")
    name = origin.host.replace("127.0.0.1", "this.machine.test")
    known = StaticCredentials({name: Credential("a", "b")})
    conf(entry("other.test", more="insecure = true"))
    with pytest.raises(RegistryError):
        RemoteRepository(Reference(name, "team/iris"), credentials=known, limits=QUICK).resolve("v1")
    assert not origin.requests
    conf(entry(name, more="insecure = true"))
    place = RemoteRepository(Reference(name, "team/iris"), credentials=known, limits=QUICK)
    found = push_random_modelkit(place, tag="v1", layers=2, layer_bytes=50_000).descriptor
    assert place.resolve("v1").digest == found.digest
    with pytest.raises(RegistryError):  # who says himself that it is TLS means it
        RemoteRepository(Reference(name, "team/iris"), credentials=known, limits=QUICK, plain_http=False).resolve("v1")


@pytest.mark.usefixtures("_this_machine")
def test_a_handshake_that_was_cut_turns_no_registry_plain(conf) -> None:
    """The connection ends in the first handshake; then credentials would go out in the clear for ever."""
    seen: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65536))

    threading.Thread(target=serve, daemon=True).start()
    name = f"this.machine.test:{server.getsockname()[1]}"
    conf(entry(name, more="insecure = true"))
    known = StaticCredentials({name: Credential("a", "b")})
    place = RemoteRepository(Reference(name, "team/iris"), credentials=known, limits=QUICK)
    for _ in range(3):
        with pytest.raises(RegistryError):
            place.resolve("v1")
    server.close()
    assert len(seen) >= 3
    assert not [data for data in seen if data[:1] != b"\x16"]  # each began a handshake


def test_mlflow_loads_from_a_mirror(conf, registries) -> None:
    origin, mirror = registries(), registries()
    digest = filled(mirror, "team/iris")
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    opened = open_to_pull(origin.reference("team/iris:v1"), credentials=NOBODY)
    assert opened.resolve("v1").digest == digest
    assert opened.reference == origin.reference("team/iris")


def test_nothing_is_written_through_what_was_opened_for_pulls(conf, registries) -> None:
    origin, mirror = registries(), registries()
    conf(entry(origin.host, mirror.host, more=f'location = "{origin.host}"'))
    place = client().pulled_from(f"{origin.host}/team/iris:v1")
    with pytest.raises(RegistryError, match="opened for pulls"):
        push_random_modelkit(place, tag="v1", layers=1, layer_bytes=9)
    for write in (
        lambda: place.set_tag("v2", None),
        lambda: place.delete_tag("v1"),
        lambda: place.delete_manifest("sha256:0"),
        lambda: place.push_manifest(None, tag="v1"),
        lambda: place.push_referrers([]),
    ):
        with pytest.raises(RegistryError, match="opened for pulls"):
            write()
    assert not [request for host in (origin, mirror) for request in host.requests if request.method != "GET"]


WAYS = ["", 'pull-from-mirror = "all"', 'pull-from-mirror = "digest-only"', 'pull-from-mirror = "tag-only"']


def made_up(seed: int, hosts: list[str]) -> str:
    """Return a ``registries.conf`` as somebody may have it, about the first host."""
    chance = random.Random(seed)
    text = ""
    for prefix in chance.sample([hosts[0], f"{hosts[0]}/team", f"{hosts[0]}/team/iris"], chance.randint(1, 2)):
        inner = prefix.partition("/")[2]
        location = "/".join(filter(None, (chance.choice(hosts), inner if chance.random() < 0.7 else "moved")))
        by_digest = chance.random() < 0.25
        text += f'[[registry]]\nprefix = "{prefix}"\nlocation = "{location}"\ninsecure = true\n'
        text += f"mirror-by-digest-only = {str(by_digest).lower()}\n"
        for _ in range(chance.randint(0, 2)):
            place = "/".join(filter(None, (chance.choice(hosts[1:]), inner if chance.random() < 0.7 else "moved")))
            way = "" if by_digest else chance.choice(WAYS)
            text += f'[[registry.mirror]]\nlocation = "{place}"\ninsecure = true\n{way}\n'
    return text


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_pulls_the_same_by_forty_made_up_files(conf, registries) -> None:
    places = [registries() for _ in range(3)]
    hosts = [place.host for place in places]
    for number, place in enumerate(places):
        for name in ("team/iris", "iris", "moved", "moved/iris", "moved/team/iris")[number:]:
            filled(place, name, seed=7)  # the same everywhere, so that a digest can be asked for
            filled(place, name, seed=10 + number, tag="v2")
    pinned = str(filled(places[0], "team/iris", seed=7))
    refused = same = 0
    for seed in range(40):
        path = conf(made_up(seed, hosts))
        for target in (":v2", f"@{pinned}"):
            name = f"{hosts[0]}/team/iris{target}"
            told = subprocess.run(
                ["skopeo", "--registries-conf", str(path), "inspect", "--raw", "--no-creds", f"docker://{name}"],
                check=False,
                capture_output=True,
            )
            theirs = sorted({place.host for place in places if place.count(path_contains="/manifests/", status=200)})
            for place in places:
                place.clear_requests()
            reference = Reference.parse(name)
            try:
                ours = open_to_pull(reference, credentials=NOBODY, limits=QUICK).fetch_manifest(reference.target)
            except KitOpsError:
                assert told.returncode != 0, (seed, name, path.read_text())
                refused += 1
                continue
            assert told.returncode == 0, (seed, name, path.read_text(), told.stderr)
            assert json.loads(ours.content) == json.loads(told.stdout), (seed, name, path.read_text())
            mine = sorted({place.host for place in places if place.count(path_contains="/manifests/", status=200)})
            assert mine == theirs, (seed, name, path.read_text())
            same += 1
            for place in places:
                place.clear_requests()
    assert same > 40
    assert refused > 3
