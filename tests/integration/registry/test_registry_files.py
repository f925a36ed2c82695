"""What Docker and Podman keep about a registry is read: authorities, client certificates, insecure, blocked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError, RegistryError
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.http.registry_files import tls_of
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.builders import push_random_modelkit


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    return tmp_path / "config"


@pytest.fixture
def tls_host(run_registry, authority) -> str:
    return run_registry(http={"tls": {"certificate": str(authority.certificate_path), "key": str(authority.key_path)}})


def opened(host: str, **options) -> RemoteRepository:
    options = {"credentials": StaticCredentials({}), "limits": Limits(retries=0), **options}
    return RemoteRepository(Reference(host, "team/iris"), **options)


@pytest.mark.parametrize("tool", ["docker", "containers"])
def test_an_authority_of_the_registrys_folder_is_trusted_for_it(
    home: Path, tls_host: str, authority, tool: str
) -> None:
    with pytest.raises(RegistryError, match="not trusted"):
        opened(tls_host, plain_http=False).resolve("v1")
    folder = home / tool / "certs.d" / tls_host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.ca_path.read_bytes())
    push_random_modelkit(opened(tls_host), tag="v1", layers=1, layer_bytes=10)  # TLS, also on this machine
    other = tls_host.replace("127.0.0.1", "localhost")
    with pytest.raises(RegistryError, match="not trusted"):
        opened(other, plain_http=False).resolve("v1")  # another name is another registry


def test_a_client_shows_the_certificate_of_the_registrys_folder(
    home: Path, run_registry, authority, tmp_path: Path
) -> None:
    files = {"certificate": str(authority.certificate_path), "key": str(authority.key_path)}
    host = run_registry(http={"tls": {**files, "clientcas": [str(authority.ca_path)]}})
    folder = home / "docker" / "certs.d" / host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.ca_path.read_bytes())
    with pytest.raises(RegistryError):
        opened(host).resolve("v1")
    issued = authority.ca.issue_cert("client@registry.test")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.cert"))
    with pytest.raises(KitOpsError, match=r"client\.cert has no key"):
        opened(host, limits=Limits(retries=0, concurrency=3))
    issued.private_key_pem.write_to_path(str(folder / "client.key"))
    push_random_modelkit(opened(host, limits=Limits(retries=0, concurrency=5)), tag="v1", layers=1, layer_bytes=10)


def test_what_a_call_says_comes_first(home: Path) -> None:
    folder = home / "docker" / "certs.d" / "registry.example"
    folder.mkdir(parents=True)
    for name in ("ca.crt", "me.cert", "me.key", "readme.txt"):
        (folder / name).write_text("")
    own = TlsOptions(ca_bundle=Path("/own.pem"), client_certificate=Path("/me.pem"))
    assert tls_of("registry.example", own) == own
    found = tls_of("registry.example", None)
    assert (found.more_authorities, found.client_certificate) == ((folder / "ca.crt",), folder / "me.cert")
    assert tls_of("registry.example:5000", None) == TlsOptions()


def test_podmans_folder_comes_before_dockers(home: Path) -> None:
    for tool in ("docker", "containers"):
        folder = home / tool / "certs.d" / "registry.example"
        folder.mkdir(parents=True)
        (folder / f"{tool}.crt").write_text("")
    assert [path.name for path in tls_of("registry.example", None).more_authorities] == ["containers.crt"]


def conf(home: Path, text: str, name: str = "registries.conf") -> Path:
    path = home / "containers" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_an_insecure_registry_is_reached_without_a_check(home: Path, tls_host: str) -> None:
    conf(home, f'[[registry]]\nlocation = "{tls_host}"\ninsecure = true\n')
    push_random_modelkit(opened(tls_host, plain_http=False), tag="v1", layers=1, layer_bytes=10)
    with pytest.raises(RegistryError, match="not trusted"):
        opened(tls_host, plain_http=False, tls=TlsOptions(verify=True)).resolve("v1")


def test_a_blocked_registry_is_refused_before_anything_is_sent(home: Path) -> None:
    conf(home, '[[registry]]\nprefix = "*.example"\nblocked = true\n')
    with pytest.raises(KitOpsError, match=r"registry\.example/team/iris is blocked"):
        opened("registry.example")


BLOCKED = """
[[registry]]
prefix = "docker.io"
blocked = true
[[registry]]
prefix = "Reg.example:443"
blocked = true
[[registry]]
prefix = "ghcr.io/evil"
blocked = true
"""


@pytest.mark.parametrize(
    "name",
    ["docker.io/a", "index.docker.io/a", "registry-1.docker.io/a", "reg.example/x", "REG.example/x", "ghcr.io/evil",
     "reg.example:443/x", "ghcr.io/evil/x", "GHCR.io/evil/x", "ghcr.io:443/evil/x"],
)  # fmt: skip
def test_another_spelling_of_a_blocked_name_is_blocked_too(home: Path, name: str) -> None:
    conf(home, BLOCKED)
    registry, _, repository = name.partition("/")
    with pytest.raises(KitOpsError, match="is blocked"):
        RemoteRepository(Reference(registry, repository), credentials=StaticCredentials({}))


@pytest.mark.parametrize("name", ["ghcr.io/evilly", "ghcr.io/team/evil", "reg.example:5000/x", "docker.io.example/a"])
def test_another_name_is_not_blocked(home: Path, name: str) -> None:
    conf(home, BLOCKED)
    registry, _, repository = name.partition("/")
    RemoteRepository(Reference(registry, repository), credentials=StaticCredentials({}))


ENTRIES = """
[[registry]]
prefix = "*.example"
insecure = true
[[registry]]
location = "registry.example"
insecure = false
[[registry]]
location = "registry.example:5000"
insecure = true
"""


@pytest.mark.parametrize(
    ("registry", "verified"),
    [
        ("registry.example", True),
        ("registry.example:5000", False),
        ("other.example", False),
        ("deep.other.example", False),
        ("example", True),
        ("example.org", True),
        ("registry.example.org", True),
    ],
)
def test_the_longest_prefix_counts(home: Path, registry: str, verified: bool) -> None:
    conf(home, ENTRIES)
    assert tls_of(registry, None).verify is verified


def test_drop_ins_come_after_the_file_and_a_variable_names_another(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    conf(home, '[[registry]]\nlocation = "a.test"\ninsecure = true\n')
    conf(home, '[[registry]]\nlocation = "a.test"\ninsecure = false\n', "registries.conf.d/10-a.conf")
    assert tls_of("a.test", None).verify is True
    other = tmp_path / "other.conf"
    other.write_text('[[registry]]\nlocation = "a.test"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(other))
    assert settings.registries_files() == (other,)
    assert tls_of("a.test", None).verify is False


@pytest.mark.parametrize("text", ["[[registry]\n", "\x00", "registry = 5\n= 1\n"])
def test_a_file_that_is_no_toml_is_an_error_with_its_name(home: Path, text: str) -> None:
    path = conf(home, text)
    with pytest.raises(KitOpsError, match=str(path)):
        tls_of("a.test", None)


@pytest.mark.parametrize("text", ["registry = 5\n", "[registry]\na = 1\n", "[[registry]]\nlocation = 5\n", ""])
def test_a_file_that_says_nothing_of_it_changes_nothing(home: Path, text: str) -> None:
    conf(home, text)
    assert tls_of("a.test", None) == TlsOptions()


def test_a_client_has_options_for_each_registry(home: Path, tls_host: str, authority, run_registry) -> None:
    from kitops_orchestration import KitClient
    from kitops_orchestration.oci import RegistryOptions

    plain = run_registry("plain")
    own = {tls_host: RegistryOptions(plain_http=False, tls=TlsOptions(ca_bundle=authority.ca_path))}
    client = KitClient(credentials=StaticCredentials({}), limits=Limits(retries=0), registries=own)
    push_random_modelkit(client.repository(f"{plain}/team/iris"), tag="v1", layers=2, layer_bytes=100)
    client.copy(f"{plain}/team/iris:v1", f"{tls_host}/team/iris:v1")
    assert client.tags(f"{tls_host}/team/iris") == ["v1"]
    strangers = KitClient(credentials=StaticCredentials({}), limits=Limits(retries=0), plain_http=False)
    with pytest.raises(RegistryError, match="not trusted"):
        strangers.tags(f"{tls_host}/team/iris")
