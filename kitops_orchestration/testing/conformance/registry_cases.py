"""What a registry has to do for ModelKits, their evidence and their stages."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes
from kitops_orchestration.testing.conformance.case import Case
from kitops_orchestration.testing.conformance.place import Place
from kitops_orchestration.testing.conformance.samples import SAMPLES, Sample, difference, tree

MANY_TAGS = 120
"""More than one page of most registries."""
WRITERS = 6
NOTE = "https://in-toto.io/attestation/test-result/v0.1"


def cases(place: Place) -> Iterator[Case]:
    """Return the cases of a registry."""
    told = {
        "a blob comes back as it was sent, also from the middle": _blobs,
        "a manifest has the same bytes by tag and by digest, and a tag moves": _tags,
        "what is not there is said to be not there": _missing,
        f"all of {MANY_TAGS} tags are listed": _many_tags,
        "the same ModelKit again sends no layer and has the same digest": _again,
        "a copy into another repository is the same ModelKit": _copy,
        "a signature is found and counts": _signature,
        f"{WRITERS} statements that are attached at once are all there afterwards": _evidence,
    }
    for promise, play in told.items():
        yield Case("registry", promise, partial(play, place))
    for sample in SAMPLES:
        yield Case("registry", f"round trip: {sample.name}", partial(_round_trip, place, sample))


def _blobs(place: Place) -> str | None:
    repository = place.client.repository(place.repository())
    content = random_bytes(300_000)
    descriptor = push_bytes(repository, content)
    for offset in (0, 1, 200_000):
        with repository.fetch_blob(descriptor, offset=offset) as stream:
            if stream.read() != content[offset:]:
                return f"the bytes from {offset} on are others"
    return None


def _tags(place: Place) -> str | None:
    repository = place.client.repository(place.repository())
    first, second = (push_random_modelkit(repository, seed=seed) for seed in (1, 2))
    for each in (first, second):
        repository.push_manifest(each.manifest, tag="moving")
        if repository.resolve("moving").digest != each.descriptor.digest:
            return "the tag stayed behind"
    by_tag, by_digest = (repository.fetch_manifest(target) for target in ("moving", second.descriptor.digest))
    return None if by_tag.content == by_digest.content else "two answers for one manifest"


def _missing(place: Place) -> str | None:
    repository = place.client.repository(place.repository())
    push_random_modelkit(repository, tag="v1")
    for what, ask in (
        ("a tag", lambda: repository.resolve("v2")),
        ("a manifest", lambda: repository.fetch_manifest(f"sha256:{'0' * 64}")),
        ("a repository", lambda: list(place.client.repository(place.repository()).tags())),
    ):
        try:
            ask()
        except NotFoundError:
            continue
        return f"{what} that was never made is answered"
    return None


def _many_tags(place: Place) -> str | None:
    repository = place.client.repository(place.repository())
    built = push_random_modelkit(repository, layers=1)
    names = [f"v{number:03}" for number in range(MANY_TAGS)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: repository.push_manifest(built.manifest, tag=name), names))
    listed = set(repository.tags())
    return None if listed == set(names) else f"{len(listed)} of {MANY_TAGS} are listed"


def _again(place: Place) -> str | None:
    project, reference = SAMPLES[1].write(place.path()), place.reference()
    first, second = (place.client.pack(project, reference) for _ in range(2))
    if first.digest != second.digest:
        return f"{first.digest}, then {second.digest}"
    return f"{second.uploaded_bytes} bytes were sent again" if second.uploaded_bytes else None


def _copy(place: Place) -> str | None:
    packed = place.client.pack(SAMPLES[1].write(place.path()), place.reference())
    copied = place.client.copy(packed.reference, place.reference("v2"))
    place.client.unpack(copied.reference, unpacked := place.path())
    place.client.unpack(packed.reference, original := place.path())
    return difference(tree(original), tree(unpacked))


def _signature(place: Place) -> str | None:
    packed = place.client.pack(SAMPLES[0].write(place.path()), place.reference())
    pair, other = place.client.keygen(), place.client.keygen()
    place.client.sign(packed.reference, pair.signer)
    if not place.client.check_signatures(packed.reference, key=pair.public_key).is_verified:
        return "the signature was pushed, and is not found"
    counts = place.client.check_signatures(packed.reference, key=other.public_key).is_verified
    return "the signature counts for another key as well" if counts else None


def _evidence(place: Place) -> str | None:
    packed = place.client.pack(SAMPLES[0].write(place.path()), place.reference())

    def attest(number: int) -> None:
        found = {"result": "PASSED", "configuration": [{"name": f"suite-{number}"}], "passedTests": [str(number)]}
        place.client.attest(packed.reference, NOTE, found)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(attest, range(WRITERS)))
    listed = place.client.repository(packed.reference).referrers(packed.digest)
    return None if len(listed) == WRITERS else f"{len(listed)} of {WRITERS} are listed"


def _round_trip(place: Place, sample: Sample) -> str | None:
    packed = place.client.pack(sample.write(place.path()), place.reference())
    place.client.unpack(packed.reference, unpacked := place.path())
    return difference(sample.unpacked(), tree(unpacked))
