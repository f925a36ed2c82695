from __future__ import annotations

import pytest

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.mlflow_bridge.modelkit_uri import ModelKitUri, pinned_uri
from kitops_orchestration.oci.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "reference", "path"),
    [
        ("modelkit://host:5000/org/iris:v1", "host:5000/org/iris:v1", ""),
        ("modelkit://host:5000/org/iris:v1/model/MLmodel", "host:5000/org/iris:v1", "model/MLmodel"),
        (f"modelkit://r.example/org/iris@{DIGEST}", f"r.example/org/iris@{DIGEST}", ""),
        (f"modelkit://r.example/org/iris:v1@{DIGEST}/model", f"r.example/org/iris:v1@{DIGEST}", "model"),
        ("modelkit://zot/team/iris:1/", "zot/team/iris:1", ""),
        ("modelkit://host/my.org/iris:1", "host/my.org/iris:1", ""),
        ("modelkit-http://r.example/iris:1", "r.example/iris:1", ""),
        ("modelkit+http://r.example/iris:1", "r.example/iris:1", ""),
        ("modelkit-file:///srv/kits/iris:1/model", "file:///srv/kits/iris:1", "model"),
        ("modelkit+file:/srv/kits/iris:1", "file:///srv/kits/iris:1", ""),
    ],
)
def test_uris_are_taken_apart_behind_the_tag_or_digest(text: str, reference: str, path: str) -> None:
    uri = ModelKitUri.parse(text)
    assert (str(uri.reference), uri.path) == (reference, path)
    assert ModelKitUri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    "path",
    ["//etc/passwd", "/a//b", "/a/../b", "/a\0b", "/%2fetc/passwd", "/a%2F%2Fb", "/%2e%2e/b", "/a%2f..%2fb", "/a%00b",
     "/%252e%252e/b", "/%25252fetc", "/%" + "25" * 100_000 + "2fetc"],
    ids=lambda path: path[:20],
)  # fmt: skip
@pytest.mark.parametrize("start", ["modelkit://host:5000/org/iris:v1", "modelkit-file:///srv/kits/iris:1"])
def test_a_path_that_leaves_the_modelkit_is_refused(start: str, path: str) -> None:
    with pytest.raises(InvalidReferenceError, match="leaves its ModelKit"):
        ModelKitUri.parse(start + path)


@pytest.mark.parametrize("path", ["100%.txt", "a%20b", "a%2fb", "..a/b..", "a b/ü.bin", ".hidden/x"])
def test_a_path_that_stays_is_kept_as_it_is(path: str) -> None:
    assert ModelKitUri.parse(f"modelkit://host/iris:1/{path}").path == path


def test_the_plain_scheme_says_so() -> None:
    assert ModelKitUri.parse("modelkit+http://r.example/iris:1").plain_http is True
    assert str(ModelKitUri.parse("modelkit+http://r.example/iris:1")) == "modelkit-http://r.example/iris:1"
    assert ModelKitUri.parse("modelkit://r.example/iris:1").plain_http is None


@pytest.mark.parametrize(
    "text",
    ["modelkit://host:5000/org/iris", "modelkit://host/org", "modelkit://", "oci://host/iris:1",
     "modelkit://host/iris:1/../../etc", "modelkit://host/iris@sha256:xyz", "modelkit+ftp://host/iris:1"],
)  # fmt: skip
def test_a_uri_without_tag_and_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        ModelKitUri.parse(text)


def test_a_pinned_uri_leaves_the_movable_tag_out() -> None:
    reference = Reference.parse(f"r.example/org/iris:v1@{DIGEST}")
    assert pinned_uri(reference) == f"modelkit://r.example/org/iris@{DIGEST}"
    assert pinned_uri(reference, plain_http=True) == f"modelkit-http://r.example/org/iris@{DIGEST}"
    with pytest.raises(InvalidReferenceError):
        pinned_uri(Reference.parse("r.example/org/iris:v1"))
