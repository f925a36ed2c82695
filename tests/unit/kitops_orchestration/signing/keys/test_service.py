"""Names of keys in services: which are understood, and what is said where a package or a part is missing."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from kitops_orchestration.errors import MissingExtraError, SignatureError
from kitops_orchestration.signing.keys import load_public_key, load_signer
from kitops_orchestration.signing.keys.azure import key_name
from kitops_orchestration.signing.keys.pkcs11 import parse_uri
from kitops_orchestration.signing.keys.service import ServiceSigner, is_key_uri, refuse_places, shown

GOOGLE = "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("awskms:///alias/release", True),
        ("gcpkms://projects/p", True),
        ("azurekms://v.vault.azure.net/k", True),
        ("hashivault://release", True),
        ("pkcs11:token=t;object=k", True),
        ("release.key", False),
        ("awskms", False),
        ("env://AWSKMS", False),
        ("-----BEGIN PRIVATE KEY-----\nawskms://x", False),
        (b"awskms:///alias/release", False),
    ],
)
def test_a_key_of_a_service_is_told_from_a_file(source, expected) -> None:
    assert is_key_uri(source) is expected


@pytest.mark.parametrize(
    ("uri", "package", "extra"),
    [
        ("awskms:///alias/release", "boto3", "kms"),
        (f"{GOOGLE}/cryptoKeyVersions/1", "google.cloud", "kms"),
        ("azurekms://v.vault.azure.net/k", "azure.keyvault", "kms"),
        ("hashivault://release", "hvac", "kms"),
        ("pkcs11:token=t;object=k?module-path=/nowhere.so", "pkcs11", "hsm"),
    ],
)
@pytest.mark.parametrize("load", [load_signer, load_public_key])
def test_a_missing_package_is_named_by_its_extra(monkeypatch, uri, package, extra, load) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        load(uri)
    assert caught.value.extra == extra


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (GOOGLE, "not the name of a key version"),
        ("azurekms://vault.example.com/key", "Azure's public cloud"),
        ("azurekms://v.vault.azure.net", "Azure's public cloud"),
        ("awskms://release", "no key is named"),
        ("awskms://AKIA:hidden@localhost/alias/release", "does not belong into the name"),
        ("azurekms://example.com#.vault.azure.net/key", "Azure's public cloud"),
        ("azurekms://example.com?x=.vault.azure.net/key", "Azure's public cloud"),
        ("pkcs11:token=t;object=k", "no module is named"),
        ("pkcs11:token=t", "no key is named"),
        ("pkcs11:object=k;object=l", "there twice"),
        ("pkcs11:object=k?pin-source=https://example.com/pin&module-path=/x.so", "pin-source is not a file"),
    ],
)
def test_a_name_that_cannot_be_meant_says_how_to_write_it(monkeypatch, uri, words) -> None:
    pytest.importorskip("boto3")
    monkeypatch.delenv("COSIGN_PKCS11_MODULE_PATH", raising=False)
    with pytest.raises(SignatureError, match=words) as caught:
        load_signer(uri)
    assert caught.value.advice


def test_parts_of_names_are_read() -> None:
    assert key_name("team.vault.azure.net/release/0a1b") == ("team", "release", "0a1b")
    assert key_name("team.vault.azure.net/release") == ("team", "release", None)
    path, query = parse_uri("token=My%20token;id=%02?module-path=/usr/lib/x.so")
    assert (path, query) == ({"token": "My%20token", "id": "%02"}, {"module-path": "/usr/lib/x.so"})


SECRET = "4711-0815"


@pytest.mark.parametrize(
    "uri",
    [
        f"pkcs11:object=k?module-path=/nowhere.so&{name}"
        for name in (f"PIN-VALUE={SECRET}", f"pin={SECRET}", f"pin%2Dvalue={SECRET}", f"Pin_Value={SECRET}", SECRET)
    ]
    + [
        f"pkcs11:object=k;pin-value={SECRET}?module-path=/nowhere.so",
        f"pkcs11:object=k;pin-valeu={SECRET}",
        f"pkcs11:object=k;{SECRET}",
        f"awskms://AKIA:{SECRET}@host",
        f"awskms://AKIA:{SECRET}@host/alias/release",
        f"awskms://AKIA:a/{SECRET}@host/alias/release",
        f"hashivault://a/b?token={SECRET}",
        f"gcpkms://{SECRET}@projects/p",
        f"azurekms://me:{SECRET}@v.vault.azure.net/a/b/c",
    ],
)
def test_a_secret_in_the_name_of_a_key_is_not_repeated(uri) -> None:
    pytest.importorskip("boto3")
    with pytest.raises(SignatureError) as caught:
        load_signer(uri)
    assert SECRET not in f"{caught.value} {caught.value.advice}"


def test_a_signer_shows_the_name_of_its_key_alone(people) -> None:
    uri = f"pkcs11:token=t;object=k;pin={SECRET}?module-path=/x.so&pin={SECRET}"
    assert repr(ServiceSigner(uri, people.ada, None)).startswith("ServiceSigner(pkcs11:token=t;object=k, ")
    assert shown(f"awskms://me:{SECRET}@host/alias/release?x={SECRET}") == "awskms://host/alias/release"


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:object=k?module-path=/x.so",
        "pkcs11:object=k?pin-source=/etc/passwd",
        "awskms://example.com/alias/release",
    ],
)
def test_whoever_names_a_key_names_neither_code_nor_a_host(uri) -> None:
    with pytest.raises(SignatureError, match="only the machine's own configuration names"):
        refuse_places(uri)


@pytest.mark.parametrize("name", ["pkcs11:token=t;object=k", "awskms:///alias/release", "release.key?", "env://KEY"])
def test_a_key_may_be_named_without_a_place(name) -> None:
    refuse_places(name)


def test_a_lock_that_another_thread_held_is_free_after_a_fork() -> None:
    from kitops_orchestration.signing.keys import pkcs11

    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with pkcs11._USE:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        os._exit(0 if pkcs11._USE.acquire(timeout=2) else 9)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join(10)
    assert os.waitstatus_to_exitcode(status) == 0
