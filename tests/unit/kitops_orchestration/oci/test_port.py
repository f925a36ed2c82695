"""A port is a number from 1 to 65535, wherever an address is taken; what is none is told, and never left out."""

from __future__ import annotations

import pytest

from kitops_orchestration.catalog.mlflow_pages import addresses_by_host
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import InvalidReferenceError, KitOpsError
from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri
from kitops_orchestration.mlflow_bridge.runs.tracking_server import origin_of
from kitops_orchestration.oci.http.proxy import parse_proxy
from kitops_orchestration.oci.http.registry_files import entry_of
from kitops_orchestration.oci.http.url import Origin
from kitops_orchestration.oci.port import port_of
from kitops_orchestration.oci.reference import Reference, require_registry

NONE = ["0", "00000", "65536", "99999999", "9" * 5000, "\u0663", "-1", "+80", "8 0"]
"""Each behind a colon; so is nothing at all, which a server's own address may have."""
PLACES = {
    "reference": lambda port: Reference.parse(f"host.test:{port}/team/iris:v1"),
    "reference to an IPv6 address": lambda port: Reference.parse(f"[::1]:{port}/team/iris:v1"),
    "reference with a scheme": lambda port: Reference.parse(f"oci://host.test:{port}/team/iris:v1"),
    "registry of a reference": lambda port: Reference.parse("team/iris:v1", registry=f"host.test:{port}"),
    "registry": lambda port: require_registry(f"host.test:{port}"),
    "client": lambda port: KitClient(f"host.test:{port}").reference("team/iris:v1"),
    "modelkit:// URI": lambda port: ModelKitUri.parse(f"modelkit://host:{port}/team/iris:v1"),
    "proxy": lambda port: parse_proxy(f"http://ada:word@host.test:{port}"),
    "proxy without a scheme": lambda port: parse_proxy(f"host.test:{port}"),
    "MLflow server": lambda port: origin_of(f"https://host.test:{port}/below"),
    "MLflow's pages": lambda port: addresses_by_host([f"https://host.test:{port}"]),
}


@pytest.mark.parametrize("port", [*NONE, ""], ids=lambda port: port[:8] or "empty")
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_port_is_told(place, port):
    with pytest.raises(KitOpsError) as caught:
        PLACES[place](port)
    said = f"{caught.value} {caught.value.advice}".replace("a password percent-encoded", "")
    assert "word" not in said


@pytest.mark.parametrize("port", ["1", "80", "05000", "65535"])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_one_is_taken(place, port):
    PLACES[place](port)


@pytest.mark.parametrize("port", NONE, ids=lambda port: port[:8])
def test_an_address_that_a_server_gives_has_a_port_or_ends_after_the_colon(port):
    with pytest.raises(KitOpsError):
        Origin.of(f"https://host.test:{port}/v2/")
    assert Origin.of("https://host.test:/v2/").port == 443
    assert Origin.of("http://[::1]:/v2/").port == 80


def test_the_message_says_which_port_and_what_one_is():
    with pytest.raises(InvalidReferenceError, match=r"not a port: '99999999' behind host\.test") as caught:
        Reference.parse("host.test:99999999/team/iris:v1")
    assert caught.value.advice == "a port is a number from 1 to 65535"


def test_a_mirror_in_the_files_of_the_machine_has_a_port_too(tmp_path, monkeypatch):
    path = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(path))
    for port, is_good in (("99999999", False), ("", False), ("5000", True)):
        path.write_text(
            f'[[registry]]\nprefix = "host.test"\n[[registry.mirror]]\nlocation = "mirror.test:{port}/below"\n'
        )
        if is_good:
            assert entry_of("host.test/team/iris")
        else:
            with pytest.raises(KitOpsError, match="the port of the location"):
                entry_of("host.test/team/iris")


def test_a_place_without_a_port_has_none():
    assert [port_of(place) for place in ("host", "ada:word@host", "[::1]", "")] == [None] * 4
    assert [port_of(place) for place in ("host:5000", "ada:word@host:5000", "[::1]:5000")] == [5000] * 3
