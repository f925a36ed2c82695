"""An index of ModelKits under one tag: one is chosen by annotation or platform, in every medium, and by its digest."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from kitops_orchestration.errors import InvalidReferenceError, ModelKitError, NotFoundError, UnsupportedModelKitError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.oci.variant import Wish, choose
from kitops_orchestration.oci.variant_index import index
from kitops_orchestration.testing.builders import push_random_modelkit

Q = "org.example.quantization"


def entry(repository: Any, number: int, annotations: dict[str, str] | None = None, platform: str = "") -> Descriptor:
    kit = push_random_modelkit(repository, layers=1, layer_bytes=10 + number).descriptor
    names = ("os", "architecture", "variant")
    extra = {"platform": dict(zip(names, platform.split("/"), strict=False))} if platform else {}
    return replace(kit, annotations=annotations or {}, extra=extra)


@pytest.fixture
def variants(repository) -> dict[str, Descriptor]:
    made = {
        "q4": entry(repository, 1, {Q: "Q4_K_M", "size": "small"}),
        "q8": entry(repository, 2, {Q: "Q8_0", "size": "large"}),
        "f16": entry(repository, 3, {Q: "F16", "size": "large"}),
        "arm": entry(repository, 4, platform="linux/arm64/v8"),
        "amd": entry(repository, 5, platform="linux/amd64"),
    }
    repository.push_manifest(Index.build(list(made.values())), tag="v1")
    return made


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ([f"{Q}=Q4_K_M"], "q4"),
        (["quantization=Q8_0"], "q8"),
        (["size=large", "quantization=F16"], "f16"),
        (["size=small"], "q4"),
        (["linux/arm64"], "arm"),
        (["linux/arm64/v8"], "arm"),
        (["Linux/AMD64"], "amd"),
    ],
)
def test_one_is_chosen(repository, variants, wanted: list[str], name: str) -> None:
    chosen = choose(repository, "v1", wanted)
    assert chosen.digest == variants[name].digest
    assert inspect(repository, chosen.digest).digest == chosen.digest


@pytest.mark.parametrize(
    "wanted",
    [["quantization=q4_k_m"], ["tization=Q4_K_M"], ["linux/arm"], ["windows/amd64"], ["size=small", "linux/amd64"]],
)
def test_what_is_not_there_is_not_found_and_what_is_there_is_said(repository, variants, wanted: list[str]) -> None:
    with pytest.raises(NotFoundError) as caught:
        choose(repository, "v1", wanted)
    assert "org.example.quantization=Q4_K_M" in (caught.value.advice or "")
    assert "linux/arm64/v8" in (caught.value.advice or "")


@pytest.mark.parametrize("wanted", [[], ["size=large"]])
def test_several_are_not_guessed_among(repository, variants, wanted: list[str]) -> None:
    with pytest.raises(InvalidReferenceError, match="variants") as caught:
        choose(repository, "v1", wanted)
    assert "Q8_0" in (caught.value.advice or "")


def test_the_tag_itself_says_what_there_is(repository, variants) -> None:
    with pytest.raises(UnsupportedModelKitError) as caught:
        inspect(repository, "v1")
    assert "linux/arm64/v8" in (caught.value.advice or "")


def test_what_is_no_index_is_itself_and_has_no_variants(repository) -> None:
    kit = push_random_modelkit(repository, tag="one", layers=1, layer_bytes=10).descriptor
    assert choose(repository, "one").digest == kit.digest
    with pytest.raises(InvalidReferenceError, match="no variants"):
        choose(repository, "one", ["a=b"])


def test_an_index_in_an_index_is_looked_into_and_not_without_end(repository) -> None:
    kit = entry(repository, 1, {"a": "b"})
    node: Descriptor = repository.push_manifest(Index.build([kit]))
    for _ in range(3):
        node = repository.push_manifest(Index.build([node]))
    repository.push_manifest(Index.build([node]), tag="deep")
    assert choose(repository, "deep", ["a=b"]).digest == kit.digest
    node = repository.push_manifest(Index.build([repository.resolve("deep")]), tag="deeper")
    with pytest.raises(ModelKitError, match="deep"):
        choose(repository, "deeper", ["a=b"])


@pytest.mark.parametrize("text", ["", "=", "=a", "a=", "linux", "linux/", "/x", "a/b/c/d", "linux//v8"])
def test_a_wish_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="not a variant"):
        Wish.parse(text)


@pytest.mark.parametrize("seed", range(20))
def test_a_choice_is_the_only_entry_that_has_all_or_an_error(repository, seed: int) -> None:
    chosen = random.Random(seed)
    made = [
        entry(repository, number, {key: chosen.choice("xy") for key in chosen.sample("abc", chosen.randrange(1, 4))})
        for number in range(chosen.randrange(1, 6))
    ]
    repository.push_manifest(Index.build(made), tag="v1")
    wanted = {key: chosen.choice("xy") for key in chosen.sample("abc", chosen.randrange(1, 3))}
    fitting = [item for item in made if all(item.annotations.get(key) == value for key, value in wanted.items())]
    texts = [f"{key}={value}" for key, value in wanted.items()]
    if len({item.digest for item in fitting}) == 1:
        assert choose(repository, "v1", texts).digest == fitting[0].digest
    else:
        with pytest.raises((InvalidReferenceError, NotFoundError)):
            choose(repository, "v1", texts)


def test_an_index_is_made_shown_and_chosen_from(repository) -> None:
    made = {tag: push_random_modelkit(repository, tag=tag, layers=1, layer_bytes=n) for n, tag in enumerate(TAGS, 5)}
    said = [("q4", ["quantization=Q4_K_M"]), ("q8", ["quantization=Q8_0"]), ("arm", ["linux/arm64/v8", "size=small"])]

    written = index(repository, "all", variants=said, annotations={"note": "three"})

    assert repository.resolve("all").digest == written.reference.digest
    assert index(repository, str(written.reference.digest)).entries == written.entries
    assert index(repository, "all").entries == written.entries
    for tag, wanted in said:
        assert choose(repository, "all", wanted).digest == made[tag].descriptor.digest
    told = written.to_json()
    assert told["annotations"] == {"note": "three"}
    assert [each["platform"] for each in told["variants"]] == [None, None, "linux/arm64/v8"]
    assert told["variants"][0]["annotations"] == {"quantization": "Q4_K_M"}
    assert index(repository, "all", variants=said, annotations={"note": "three"}) == written  # the same bytes again


TAGS = ("q4", "q8", "arm")


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ([("q4", ["a=1"]), ("q8", ["a=1", "b=2"])], InvalidReferenceError, "q4 cannot be chosen: a=1 .* fits q8"),
        ([("q4", []), ("q8", ["a=1"])], InvalidReferenceError, "q4 cannot be chosen: nothing"),
        ([("q4", ["linux/arm64"]), ("q8", ["linux/arm64/v8"])], InvalidReferenceError, "q4 cannot be chosen"),
        ([("q4", ["a=1", "a=2"])], InvalidReferenceError, "an annotation twice"),
        ([("q4", ["linux/arm64", "linux/amd64"])], InvalidReferenceError, "two platforms"),
        ([("q4", ["a"])], InvalidReferenceError, "not a variant"),
        ([("none", ["a=1"])], NotFoundError, "none"),
        ([("..", ["a=1"])], InvalidReferenceError, "not a tag"),
    ],
)
def test_an_index_from_which_nobody_could_choose_is_not_made(repository, said, error, message: str) -> None:
    for number, tag in enumerate(TAGS, 5):
        push_random_modelkit(repository, tag=tag, layers=1, layer_bytes=number)
    with pytest.raises(error, match=message):
        index(repository, "all", variants=said)
    with pytest.raises(NotFoundError):
        repository.resolve("all")


def test_an_index_of_an_index_is_refused_and_what_is_none_is_not_shown_as_one(repository) -> None:
    push_random_modelkit(repository, tag="q4", layers=1, layer_bytes=5)
    index(repository, "all", variants=[("q4", ["a=1"])])
    with pytest.raises(UnsupportedModelKitError, match="is an index itself"):
        index(repository, "more", variants=[("all", ["a=1"])])
    with pytest.raises(UnsupportedModelKitError, match="is no index"):
        index(repository, "q4")
