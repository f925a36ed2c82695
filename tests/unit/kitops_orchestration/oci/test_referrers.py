"""Referrers: tags, merging, and the fallback index under writers that overtake each other."""

from __future__ import annotations

from itertools import count

import pytest

from kitops_orchestration.errors import NotFoundError, RegistryUnavailableError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Manifest, Node
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import (
    add_to_fallback,
    describe,
    fallback_referrers,
    fallback_tag,
    is_referrer_tag,
    merge,
)

SUBJECT = Digest.of(b"subject")
CONFIG = Descriptor("application/vnd.example.config", Digest.of(b"{}"), 2)


def entry(text: str, artifact_type: str | None = "application/x") -> Descriptor:
    return Descriptor(media_types.MANIFEST, Digest.of(text.encode()), 10, {"note": text}, artifact_type)


class Shelf:
    """A registry's fallback tags; ``overtake`` runs just before a write lands, and ``meanwhile`` in each wait."""

    numbers = count()

    def __init__(self) -> None:
        # A name of its own: what was read of a list is remembered for the whole process.
        self.reference = Reference("registry.example", f"team/iris{next(self.numbers)}")
        self.pauses: list[float] = []
        self.nodes: dict[str, Node] = {}
        self.writes = 0
        self.overtake = lambda: None
        self.meanwhile = lambda: None

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()

    def fetch_manifest(self, target: str) -> Node:
        if target not in self.nodes:
            raise NotFoundError("no such tag")
        return self.nodes[target]

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        self.writes += 1
        self.nodes[str(tag)] = manifest
        self.overtake()
        return manifest.descriptor


@pytest.mark.parametrize(
    ("tag", "is_one"),
    [
        ("sha256-" + "a" * 64, True),
        ("sha256-" + "a" * 64 + ".sig", True),
        ("sha256-" + "a" * 64 + ".att", True),
        ("sha256-" + "a" * 64 + ".sbom", True),
        ("sha512-" + "a" * 64, True),
        ("sha256-" + "a" * 64 + ".other", False),
        ("sha256-" + "a" * 63, False),
        ("sha256-" + "g" * 64, False),
        ("v1", False),
    ],
)
def test_tags_that_only_carry_referrers_are_known(tag, is_one):
    assert is_referrer_tag(tag) is is_one


def test_the_fallback_tag_is_cut_to_what_a_tag_may_hold():
    assert fallback_tag(SUBJECT) == f"sha256-{SUBJECT.hex}"
    long = fallback_tag("sha512:" + "b" * 128)
    assert long == "sha512-" + "b" * 64
    assert is_referrer_tag(long)


def test_no_fallback_tag_means_no_referrers():
    assert fallback_referrers(Shelf(), SUBJECT) == []


def test_a_tag_that_is_no_index_lists_nothing():
    shelf = Shelf()
    shelf.nodes[fallback_tag(SUBJECT)] = Manifest.build(config=CONFIG, layers=[])
    assert fallback_referrers(shelf, SUBJECT) == []


def test_an_entry_is_added_once():
    shelf = Shelf()
    add_to_fallback(shelf, SUBJECT, entry("a"))
    add_to_fallback(shelf, SUBJECT, entry("b"))
    add_to_fallback(shelf, SUBJECT, entry("a"))
    assert fallback_referrers(shelf, SUBJECT) == [entry("a"), entry("b")]
    assert shelf.writes == 2


def test_an_entry_of_another_tool_with_a_wrong_type_is_corrected():
    shelf = Shelf()
    add_to_fallback(shelf, SUBJECT, entry("a", media_types.EMPTY_JSON))
    add_to_fallback(shelf, SUBJECT, entry("a"))
    assert fallback_referrers(shelf, SUBJECT) == [entry("a")]


def test_an_entry_that_another_writer_dropped_is_added_again():
    shelf = Shelf()

    def drop_once() -> None:
        shelf.overtake = lambda: None
        shelf.nodes[fallback_tag(SUBJECT)] = Index.build([entry("theirs")])

    shelf.overtake = drop_once
    add_to_fallback(shelf, SUBJECT, entry("ours"))
    assert fallback_referrers(shelf, SUBJECT) == [entry("theirs"), entry("ours")]
    assert len(shelf.pauses) == 2  # before the second try, and before the last look


def test_an_entry_that_another_machine_drops_after_it_was_seen_is_added_again():
    shelf = Shelf()

    def another_machine() -> None:
        if shelf.writes == 1:
            shelf.nodes[fallback_tag(SUBJECT)] = Index.build([entry("theirs")])

    shelf.meanwhile = another_machine
    add_to_fallback(shelf, SUBJECT, entry("ours"))
    assert fallback_referrers(shelf, SUBJECT) == [entry("theirs"), entry("ours")]


def test_a_tag_that_others_always_win_is_one_clear_error():
    shelf = Shelf()
    shelf.overtake = lambda: shelf.nodes.update({fallback_tag(SUBJECT): Index.build([entry("theirs")])})
    with pytest.raises(RegistryUnavailableError, match="changed faster") as caught:
        add_to_fallback(shelf, SUBJECT, entry("ours"))
    assert caught.value.transient
    assert caught.value.advice


def test_lists_are_merged_by_digest_and_the_first_entry_counts():
    wrong = entry("a", media_types.EMPTY_JSON)
    assert merge([entry("a"), entry("b")], [wrong, entry("c")]) == [entry("a"), entry("b"), entry("c")]


def test_a_manifest_without_artifact_type_is_known_by_its_config():
    manifest = Manifest.build(config=CONFIG, layers=[], annotations={"a": "b", "c": "d"})
    assert describe(manifest).artifact_type == CONFIG.media_type
    assert describe(manifest).annotations == {"a": "b", "c": "d"}
    typed = Manifest.build(config=CONFIG, layers=[], artifact_type="application/x")
    assert describe(typed).artifact_type == "application/x"


class Forgetful(Shelf):
    """A registry that says 404 once about an index that is there."""

    lies = 0

    def fetch_manifest(self, target):
        if target == fallback_tag(SUBJECT) and self.lies:
            self.lies -= 1
            raise NotFoundError("no such manifest")
        return super().fetch_manifest(target)


@pytest.mark.parametrize("lies", [1, 2])
def test_a_false_404_after_a_list_was_read_loses_nothing(lies):
    shelf = Forgetful()
    add_to_fallback(shelf, SUBJECT, entry("a"))
    assert fallback_referrers(shelf, SUBJECT) == [entry("a")]
    shelf.lies, shelf.pauses = lies, []
    add_to_fallback(shelf, SUBJECT, entry("b"))
    assert shelf.pauses[:lies] == [0.05, 0.2][:lies]
    assert fallback_referrers(shelf, SUBJECT) == [entry("a"), entry("b")]
