"""What an address inside of a network is, in every spelling that a resolver takes."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from kitops_orchestration.oci.http import inner
from kitops_orchestration.oci.http.inner import is_inner, leads_inside

INNER = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "::",
    "[fe80::1%eth0]",
    "fd00::1",
    "[::ffff:10.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::]",
    "ff02::1",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
]
OUTER = [
    "8.8.8.8",
    "[2606:4700::1111]",
    "[::ffff:8.8.8.8]",
    "registry.example",
    "10.example",
    "127.0.0.1.example",
    "",
    "a b",
]


@pytest.mark.parametrize("host", INNER)
def test_addresses_that_are_not_of_the_internet(host: str) -> None:
    assert is_inner(host)
    assert leads_inside("9.9.9.9", host)
    assert not leads_inside("192.168.7.7", host)


@pytest.mark.parametrize("host", OUTER)
def test_names_and_addresses_of_the_internet(host: str) -> None:
    assert not is_inner(host)
    assert not leads_inside("9.9.9.9", host)


@pytest.mark.parametrize(("address", "expected"), [("10.0.0.7", False), ("9.9.9.9", True)])
def test_a_registry_inside_may_lead_to_its_neighbours(
    monkeypatch: pytest.MonkeyPatch, address: str, expected: bool
) -> None:
    def resolved(host: str, *_: Any, **__: Any) -> list[Any]:
        assert host == "harbor.corp"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    inner._resolves_inside.cache_clear()
    try:
        assert leads_inside("harbor.corp", "10.0.0.9") is expected
    finally:
        inner._resolves_inside.cache_clear()
