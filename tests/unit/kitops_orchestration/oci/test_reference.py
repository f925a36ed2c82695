"""The grammar of references: what is accepted, what is refused and with which words."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import Reference, folder_registry, require_registry

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("localhost:5000/o/r:t", "localhost:5000", "o/r", "t", None),
        ("localhost/o/r:t", "localhost", "o/r", "t", None),
        ("test.io/a/b/c/d", "test.io", "a/b/c/d", None, None),
        (f"test.io/a@{DIGEST}", "test.io", "a", None, DIGEST),
        (f"test.io/a:v1@{DIGEST}", "test.io", "a", "v1", DIGEST),
        ("[::1]:5000/a:v1", "[::1]:5000", "a", "v1", None),
        ("file:///data/models/team/iris:v1", "file:///data/models/team", "iris", "v1", None),
        ("file:///data/a b/iris", "file:///data/a b", "iris", None, None),
    ],
)
def test_a_reference_is_split_into_its_parts_and_written_back(text, registry, repository, tag, digest):
    found = Reference.parse(text)

    assert (found.registry, found.repository, found.tag, found.digest) == (registry, repository, tag, digest)
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " a.io/b:c",
        "iris:v1",
        "a.io/UPPER:v1",
        "a.io/b/../c:v1",
        "a.io//b",
        "a.io/b:",
        "a.io/b:tag?x=1",
        "a.io/b:-x",
        "a.io/b:" + "t" * 129,
        "a.io/b@sha256:abc",
        "a.io/b@",
        "https://a.io/b:v1",
        "user@a.io/b:v1",
        "file://relative/iris:v1",
        "file:///data/../etc/iris:v1",
        "file:///data/Iris:v1",
        "file:///data/a%00b/iris:v1",
        "[1:2]:5000/iris:v1",
        "[....]/iris:v1",
        "a.io/" + "b" * 256,
        "a.io/b__c___d:v1",
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_advice(text):
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse(text)

    assert caught.value.advice


def test_a_client_registry_completes_a_reference_without_one():
    assert str(Reference.parse("team/iris:v1", registry="r.io")) == "r.io/team/iris:v1"
    assert str(Reference.parse("team/iris:v1", registry="file:///m/")) == "file:///m/team/iris:v1"
    assert str(Reference.parse("x.io/iris:v1", registry="r.io")) == "x.io/iris:v1"


def test_the_layout_directory_of_a_folder_reference_is_its_path(tmp_path):
    folder = tmp_path / "with space#and%"

    reference = Reference.parse(f"{folder_registry(folder)}/iris:v1")

    assert reference.layout_dir == folder / "iris"
    assert Reference.parse("file:///a/b/c:v1").layout_dir == Path("/a/b/c")


def test_the_digest_is_the_target_where_there_is_one():
    reference = Reference.parse("r.io/a:v1")

    assert reference.target == "v1"
    assert reference.with_digest(DIGEST).target == DIGEST
    assert reference.with_digest(DIGEST).with_tag("v2") == Reference.parse("r.io/a:v2")
    with pytest.raises(InvalidReferenceError, match="neither tag nor digest"):
        _ = reference.without_target().target


_HOSTS = st.from_regex(r"[a-z]{1,8}\.[a-z]{2,3}(:[1-9][0-9]{0,3}|:[1-5][0-9]{4})?", fullmatch=True)
_NAMES = st.from_regex(r"[a-z0-9]{1,9}([._-][a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,6}){0,3}", fullmatch=True)
_TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(_HOSTS, _NAMES, _TAGS, st.sampled_from([None, DIGEST]))
def test_every_reference_survives_format_and_parse(host, name, tag, digest):
    text = f"{host}/{name}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")

    assert str(Reference.parse(text)) == text


@given(st.text(max_size=60))
def test_any_text_parses_or_raises_the_one_error(text):
    with contextlib.suppress(InvalidReferenceError):
        assert str(Reference.parse(text)) == text


@pytest.mark.parametrize("text", ["reg.example/team/iris", f"reg.example/team/iris@sha256:{'0' * 64}"])
def test_a_new_modelkit_needs_a_tag(text):
    with pytest.raises(InvalidReferenceError, match="has no tag") as raised:
        Reference.parse(text).require_tag()
    assert raised.value.advice == "add one, for example reg.example/team/iris:latest"
    tagged = Reference.parse("reg.example/team/iris:v1")
    assert tagged.require_tag() is tagged


@pytest.mark.parametrize("scheme", ["oci://", "docker://"])
@pytest.mark.parametrize(
    "text",
    [
        "r.io/a",
        "r.io/a:v1",
        f"r.io/a@{DIGEST}",
        f"r.io/a/b:v1@{DIGEST}",
        "localhost/a:1",
        "127.0.0.1:5000/a:v1",
        "[::1]:5000/a:v1",
        "r.io:443/team/iris:latest",
        "ghcr.io/org/model:1.0.0",
        "r.io/a-b_c.d:v1",
    ],
)
def test_the_schemes_of_other_tools_say_nothing_new(scheme: str, text: str) -> None:
    assert Reference.parse(scheme + text) == Reference.parse(text)


@pytest.mark.parametrize(
    "text", ["oci://", "docker:///a", "oci://docker", "http://r.io/a", "oci:r.io/a", "OCI://r.io/a"]
)
def test_other_schemes_are_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        Reference.parse(text)


def test_the_kit_clis_latest_stands_where_nothing_else_does() -> None:
    assert Reference.parse("r.io/a").or_latest().tag == "latest"
    for text in ("r.io/a:v1", f"r.io/a@{DIGEST}"):
        assert Reference.parse(text).or_latest() == Reference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@host/team/x:1",
        "user:hunter2@host/team/x",
        "user:hunter2@host:5000/x@sha256:" + "0" * 64,
        " https://user:hunter2@host/x",
        "user:hunt@hunter2@host/x",
    ],
)
def test_a_password_in_a_reference_is_refused_and_not_repeated(text):
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse(text)
    assert "hunt" not in f"{caught.value}{caught.value.advice}"


@pytest.mark.parametrize("registry", ["user:hunter2@host", "https://user:hunter2@host:5000", "hunter2@host"])
def test_a_password_in_a_registry_is_refused_and_not_repeated(registry):
    for attempt in (lambda: require_registry(registry), lambda: Reference.parse("team/x", registry=registry)):
        with pytest.raises(InvalidReferenceError, match="without user name and password") as caught:
            attempt()
        assert "hunter2" not in f"{caught.value}{caught.value.advice}"


def test_a_registry_by_itself_has_no_scheme_and_no_path():
    assert require_registry("localhost:5000/") == "localhost:5000"
    assert require_registry("file:///srv/kits") == "file:///srv/kits"
    for text, said in (("https://ghcr.io", "write ghcr.io;"), ("ghcr.io/acme", "'acme' as the namespace")):
        with pytest.raises(InvalidReferenceError) as caught:
            require_registry(text)
        assert said in caught.value.advice
