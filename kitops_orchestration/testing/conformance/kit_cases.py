"""What the Kit CLI makes of our ModelKits, and we of its."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kitops_orchestration.modelkit.kit_storage import KitStorageRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.testing.conformance.case import Case
from kitops_orchestration.testing.conformance.place import Place
from kitops_orchestration.testing.conformance.program import Program
from kitops_orchestration.testing.conformance.samples import SAMPLES, Sample, difference, tree


@dataclass(frozen=True, slots=True)
class KitProgram:
    """The Kit CLI, with a store of its own, before one registry."""

    program: Program
    place: Place

    @property
    def flags(self) -> tuple[str, ...]:
        """What every command that speaks to the registry gets."""
        return ("--plain-http",) if self.place.is_plain else ()

    def pack(self, sample: Sample, reference: Reference) -> None:
        """Pack into its store."""
        self.program.run("pack", sample.write(self.place.path()), "-t", reference)

    def publish(self, sample: Sample) -> Reference:
        """Pack and push."""
        reference = self.place.reference()
        self.pack(sample, reference)
        self.program.run("push", reference, *self.flags)
        return reference


def cases(place: Place, program: Program) -> Iterator[Case]:
    """Return the cases of the Kit CLI; ``KITOPS_HOME`` has to be among the program's variables."""
    kit = KitProgram(program, place)
    for sample in SAMPLES:
        told = {
            f"kit packs the bytes that we pack: {sample.name}": _same_bytes,
            f"kit unpacks what we packed: {sample.name}": _kit_unpacks,
            f"we unpack what kit packed: {sample.name}": _we_unpack,
        }
        for promise, play in told.items():
            yield Case("kit", promise, partial(play, kit, sample))
    told_once = {
        "kit unpacks the model alone out of what we packed": _filter,
        "kit inspects what we packed by the digest that we tell": _inspect,
        "we read what lies in kit's own store": _store,
        "kit unpacks what we signed": _signed,
    }
    for promise, play_once in told_once.items():
        yield Case("kit", promise, partial(play_once, kit))


def _same_bytes(kit: KitProgram, sample: Sample) -> str | None:
    client = kit.place.client
    theirs = client.inspect(kit.publish(sample)).manifest
    project = sample.write(kit.place.path())
    ours = client.pack(project, kit.place.reference(), strict="kit", profile="kit").manifest
    return _compare(ours, theirs)


def _compare(ours: Manifest, theirs: Manifest) -> str | None:
    if ours.config.digest != theirs.config.digest:
        return f"config {theirs.config.digest}, ours {ours.config.digest}"
    pairs = [(layer.media_type, layer.digest, layer.size) for layer in theirs.layers]
    expected = [(layer.media_type, layer.digest, layer.size) for layer in ours.layers]
    if pairs == expected:
        return None
    number = next((at for at, both in enumerate(zip(pairs, expected, strict=False)) if both[0] != both[1]), None)
    if number is None:
        return f"{len(pairs)} layers, ours {len(expected)}"
    return f"layer {number}: {' '.join(map(str, pairs[number]))}, ours {' '.join(map(str, expected[number]))}"


def _kit_unpacks(kit: KitProgram, sample: Sample) -> str | None:
    packed = kit.place.client.pack(sample.write(kit.place.path()), kit.place.reference())
    return _unpacked_by_kit(kit, packed.reference, sample)


def _unpacked_by_kit(kit: KitProgram, reference: Reference, sample: Sample) -> str | None:
    target = kit.place.path()
    kit.program.run("unpack", _by_tag(reference), "-d", target, *kit.flags)
    return difference(sample.unpacked(), tree(target))


def _by_tag(reference: Reference) -> str:
    return f"{reference.name}:{reference.tag}"


def _we_unpack(kit: KitProgram, sample: Sample) -> str | None:
    kit.place.client.unpack(kit.publish(sample), target := kit.place.path())
    return difference(sample.unpacked(), tree(target))


def _filter(kit: KitProgram) -> str | None:
    sample = SAMPLES[1]
    packed = kit.place.client.pack(sample.write(kit.place.path()), kit.place.reference())
    target = kit.place.path()
    kit.program.run("unpack", _by_tag(packed.reference), "-d", target, "--filter=model", *kit.flags)
    model = {name: mark for name, mark in sample.unpacked().items() if name.startswith("model/")}
    return difference(model, tree(target))


def _inspect(kit: KitProgram) -> str | None:
    packed = kit.place.client.pack(SAMPLES[1].write(kit.place.path()), kit.place.reference())
    said = kit.program.run("inspect", "--remote", _by_tag(packed.reference), *kit.flags)
    return None if packed.digest in said else f"{packed.digest} is not in what it prints"


def _store(kit: KitProgram) -> str | None:
    sample, reference = SAMPLES[1], kit.place.reference()
    kit.pack(sample, reference)
    store = KitStorageRepository(reference.without_target(), home=Path(kit.program.variables["KITOPS_HOME"]))
    found = store.resolve(reference.tag or "")
    return None if store.fetch_manifest(found.digest).digest == found.digest else "another manifest"


def _signed(kit: KitProgram) -> str | None:
    client, sample = kit.place.client, SAMPLES[0]
    packed = client.pack(sample.write(kit.place.path()), kit.place.reference())
    client.sign(packed.reference, client.keygen().signer)
    return _unpacked_by_kit(kit, packed.reference, sample)
