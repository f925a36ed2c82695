"""Addresses, proxies, retries and TLS options: the parts of the transport that need no server."""

from __future__ import annotations

import datetime
import email.utils
import socket
import threading
from email.message import Message

import pytest

from kitops_orchestration.errors import KitOpsError, RegistryError, RegistryUnavailableError, TransferCancelledError
from kitops_orchestration.oci.http.client import Request, Transport
from kitops_orchestration.oci.http.proxy import proxy_for
from kitops_orchestration.oci.http.response import next_link
from kitops_orchestration.oci.http.retry import RetryBudget, retry_after
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.http.url import Origin, is_loopback, redacted
from kitops_orchestration.oci.registry.upload_profile import upload_profile
from kitops_orchestration.settings import Limits

REGISTRY = Origin("https", "reg.example", 443)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@reg.example/v2/a?token=secret#secret", "https://reg.example/v2/a"),
        ("https://reg.example/v2/a/blobs/uploads/secret?_state=secret", "https://reg.example/v2/a/blobs/uploads/…"),
        ("https://reg.example/v2/a/blobs/uploads/", "https://reg.example/v2/a/blobs/uploads/"),
        ("https://reg.example/v2/uploads/manifests/v1", "https://reg.example/v2/uploads/manifests/v1"),
        ("http://[::1]:5000/v2/", "http://[::1]:5000/v2/"),
        ("user:secret@reg.example/v2/", "reg.example/v2/"),
        ("user:se/cr@et@reg.example/v2/", "reg.example/v2/"),
        ("https://reg.example:8443/x", "https://reg.example:8443/x"),
        ("https://reg.example:notaport/secret", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_is_shown_without_secrets(url, shown):
    assert redacted(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@[reg/",
        "https://user:secret",
        "https://user:secret@reg:x/",
        "user:secret@reg.example",
    ],
)
def test_what_is_no_address_is_told_without_a_letter_of_a_password(url):
    with pytest.raises(RegistryError, match="not an") as caught:
        Origin.of(url)
    assert "secret" not in str(caught.value)


def test_default_ports_are_the_same_origin():
    assert Origin.of("https://REG.example/a") == Origin.of("https://reg.example:443/b")
    assert Origin.of("https://reg.example") != Origin.of("http://reg.example:443")
    assert str(Origin.of("http://[::1]:5000/v2/")) == "http://[::1]:5000"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://evil.example/reg.example", "https://evil.example"),
        ("https://reg.example@evil.example/", "https://evil.example"),
        ("https://reg.example:443@evil.example:8443/v2/", "https://evil.example:8443"),
        ("https://reg.example?@evil.example/", "https://reg.example"),
        ("https://reg.example#@evil.example/", "https://reg.example"),
        ("https://reg.example?to=https://evil.example/", "https://reg.example"),
        ("https://reg.example/a@evil.example", "https://reg.example"),
        ("https://REG.example:443", "https://reg.example"),
        ("HTTPS://reg.example/v2/", "https://reg.example"),
    ],
)
def test_credentials_belong_to_the_host_that_is_spoken_to(url, origin):
    for _ in range(2):  # the first of a host's addresses is taken apart, the others are known
        assert str(Origin.of(url)) == origin


@pytest.mark.parametrize("url", ["ftp://reg.example", "/v2/", "https://", "https://reg.example:99999/"])
def test_what_is_no_http_address_is_refused(url):
    with pytest.raises(RegistryError):
        Origin.of(url)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback_hosts_are_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "0.0.0.0", "reg", "127.0.0.1.example"])
def test_other_hosts_are_not_loopback(host):
    assert not is_loopback(host)


def test_the_proxy_of_the_scheme_is_used():
    proxies = {"https": "http://ada:p%40ss@proxy.example:3128", "http": "plain.example"}
    proxy = proxy_for(REGISTRY, proxies)
    assert (proxy.host, proxy.port, proxy.authorization) == ("proxy.example", 3128, "Basic YWRhOnBAc3M=")
    assert "YWRh" not in repr(proxy)
    assert proxy_for(Origin("http", "reg.example", 80), proxies).host == "plain.example"


@pytest.mark.parametrize("no_proxy", ["reg.example", ".example", "*", "reg.example:443"])
def test_hosts_of_no_proxy_are_reached_directly(no_proxy):
    assert proxy_for(REGISTRY, {"https": "http://proxy.example", "no": no_proxy}) is None


def test_this_machine_is_never_reached_through_a_proxy():
    assert proxy_for(Origin("http", "127.0.0.1", 5000), {"http": "http://proxy.example"}) is None


def test_a_proxy_that_was_named_leads_everywhere_and_is_blamed_when_it_is_not_there(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    transport = Transport(proxy="http://ada:hunter2@127.0.0.1:1", limits=Limits(retries=0))
    for url in ("https://reg.example/v2/", "http://localhost:5000/v2/"):
        with pytest.raises(RegistryUnavailableError, match=r"through the proxy 127\.0\.0\.1:1") as caught:
            transport.send(Request("GET", url))
        assert caught.value.advice == "check the proxy's host and port"
        assert "hunter2" not in str(caught.value)


def test_a_proxy_that_is_not_http_is_refused_without_its_password():
    with pytest.raises(RegistryError) as caught:
        proxy_for(REGISTRY, {"https": "socks5://ada:hunter2@proxy.example"})
    assert "hunter2" not in str(caught.value)


def test_retry_after_is_read_as_seconds_or_as_a_date():
    assert retry_after("7") == 7
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
    assert 95 < retry_after(email.utils.format_datetime(moment)) <= 100
    assert retry_after("Fri, 01 Jan 1999 00:00:00 GMT") == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_the_number_of_attempts_is_bounded():
    budget = RetryBudget(Limits(retries=2))
    failure = RegistryUnavailableError("down")
    budget.pause(failure, retry_after_seconds=0)
    budget.pause(failure, retry_after_seconds=0)
    with pytest.raises(RegistryUnavailableError, match="down"):
        budget.pause(failure, retry_after_seconds=0)


def test_a_wait_longer_than_the_budget_fails_at_once():
    budget = RetryBudget(Limits(retry_budget_seconds=5))
    with pytest.raises(RegistryUnavailableError):
        budget.pause(RegistryUnavailableError("down"), retry_after_seconds=3600)


def test_progress_makes_the_next_failure_a_first_one():
    budget = RetryBudget(Limits(retries=1))
    failure = RegistryUnavailableError("down")
    for _ in range(3):
        budget.pause(failure, retry_after_seconds=0)
        budget.progressed()


def test_a_name_that_does_not_exist_is_not_tried_again():
    failure = RegistryUnavailableError("no such host")
    failure.__cause__ = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(RegistryUnavailableError):
        RetryBudget(Limits()).pause(failure)


def test_a_cancelled_wait_ends():
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(TransferCancelledError):
        RetryBudget(Limits(), cancel).pause(RegistryUnavailableError("down"), retry_after_seconds=60)


@pytest.mark.parametrize(
    ("host", "takes_chunks"),
    [
        ("ghcr.io", False),
        ("europe-docker.pkg.dev", False),
        ("eu.gcr.io", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", False),
        ("notghcr.io", True),
        ("reg.example", True),
        ("quay.io", True),
    ],
)
def test_registries_without_chunks_are_known(host, takes_chunks):
    assert upload_profile(host).takes_chunks is takes_chunks


def test_tls_files_that_cannot_be_used_are_named(tmp_path):
    missing = tmp_path / "ca.pem"
    with pytest.raises(KitOpsError, match=str(missing)):
        TlsOptions(ca_bundle=missing).context()
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(KitOpsError, match=str(empty)):
        TlsOptions(ca_bundle=empty).context()


@pytest.mark.parametrize(
    ("lines", "target"),
    [
        (['</v2/a/tags/list?n=1&last=b>; rel="next"'], "/v2/a/tags/list?n=1&last=b"),
        (["</b>; rel=next"], "/b"),
        (['</a,b;c>; title="x, y; rel=prev"; REL = "prev Next"'], "/a,b;c"),
        (['</first>; rel="first", </second>; rel="next"'], "/second"),
        (['</first>; rel="first"', '</second>; rel="next"'], "/second"),
        (['</a>; rel="nextish"'], None),
        (["</a>"], None),
        (['/a; rel="next"'], None),
        (["<<<>>>;;;,,,rel=next"], None),
        ([""], None),
        ([], None),
    ],
)
def test_where_a_list_goes_on_is_read_as_servers_write_it(lines, target):
    headers = Message()
    for line in lines:
        headers["Link"] = line
    assert next_link(headers) == target
