"""What cosign makes of our signatures, and we of its; with keys, and with no log in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing.keys.local import KeyPair
from kitops_orchestration.testing.conformance.case import Case
from kitops_orchestration.testing.conformance.place import Place
from kitops_orchestration.testing.conformance.program import Program
from kitops_orchestration.testing.conformance.samples import SAMPLES

PASSWORD = "conformance"  # noqa: S105 - of keys that are made for one run and are gone with it


@dataclass(frozen=True, slots=True)
class CosignProgram:
    """cosign before one registry; ``COSIGN_PASSWORD`` has to be among the program's variables."""

    program: Program
    place: Place

    @property
    def registry_flags(self) -> tuple[str, ...]:
        """What every command gets."""
        return ("--allow-http-registry", "--allow-insecure-registry") if self.place.is_plain else ()

    def verifies(self, reference: Reference, public_key: Path) -> tuple[bool, str]:
        """Ask it for its verdict; return it with what it said."""
        status, said = self.program.ask(
            "verify", "--key", public_key, "--insecure-ignore-tlog=true", *self.registry_flags, reference
        )
        return status == 0, said

    def sign(self, reference: Reference, private_key: Path) -> None:
        """Sign without a log; cosign 3 wants its own configuration switched off for that."""
        _, known = self.program.ask("sign", "--help")
        quiet = ["--use-signing-config=false"] if "--use-signing-config" in known else []
        self.program.run(
            "sign", "--yes", "--key", private_key, "--tlog-upload=false", *quiet, *self.registry_flags, reference
        )

    def packed(self) -> Reference:
        """Return a ModelKit of ours, by digest."""
        packed = self.place.client.pack(SAMPLES[0].write(self.place.path()), self.place.reference())
        return packed.reference.with_digest(packed.digest)

    def key(self) -> tuple[KeyPair, Path, Path]:
        """Make a key pair, and write it."""
        pair = self.place.client.keygen(PASSWORD)
        return pair, *pair.write(self.place.path())


def cases(place: Place, program: Program) -> Iterator[Case]:
    """Return the cases of cosign."""
    cosign = CosignProgram(program, place)
    told = {
        "cosign accepts what we signed": _cosign_accepts,
        "cosign refuses what we signed with another key": _cosign_refuses,
        "cosign refuses what nobody signed": _cosign_finds_nothing,
        "we accept what cosign signed with a key that we made": _we_accept,
        "we refuse what cosign signed with another key": _we_refuse,
    }
    for promise, play in told.items():
        yield Case("cosign", promise, partial(play, cosign))


def _cosign_accepts(cosign: CosignProgram) -> str | None:
    reference, (pair, _, public) = cosign.packed(), cosign.key()
    cosign.place.client.sign(reference, pair.signer)
    accepted, said = cosign.verifies(reference, public)
    return None if accepted else f"refused: {said[-300:]}"


def _cosign_refuses(cosign: CosignProgram) -> str | None:
    reference, (pair, _, _), (_, _, other) = cosign.packed(), cosign.key(), cosign.key()
    cosign.place.client.sign(reference, pair.signer)
    return "accepted" if cosign.verifies(reference, other)[0] else None


def _cosign_finds_nothing(cosign: CosignProgram) -> str | None:
    return "accepted" if cosign.verifies(cosign.packed(), cosign.key()[2])[0] else None


def _we_accept(cosign: CosignProgram) -> str | None:
    reference, (pair, private, _) = cosign.packed(), cosign.key()
    cosign.sign(reference, private)
    found = cosign.place.client.check_signatures(reference, key=pair.public_key)
    return None if found.is_verified else found.reason


def _we_refuse(cosign: CosignProgram) -> str | None:
    reference, (_, private, _), (other, _, _) = cosign.packed(), cosign.key(), cosign.key()
    cosign.sign(reference, private)
    return "accepted" if cosign.place.client.check_signatures(reference, key=other.public_key).is_verified else None
