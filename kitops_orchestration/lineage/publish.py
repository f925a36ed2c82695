"""Publish: pack, say where it comes from, sign, and only then tag.

Whoever finds a ModelKit by its tag finds its evidence and its signature, too: a consumer that verifies what a tag
points at never meets a moment in which they are missing, and a signature that could not be made moves no tag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.attach import Attached, attach
from kitops_orchestration.modelkit.pack import PackResult, pack

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.sign import SignResult
    from kitops_orchestration.signing.statement import Statement

MakeStatement = Callable[[PackResult], "Statement | None"]
"""Says what is attached to a ModelKit that was just packed; ``None`` attaches nothing."""


@dataclass(frozen=True, slots=True)
class Endorsement:
    """What was attached to a ModelKit before a tag pointed at it."""

    provenance: Attached | None = None
    signature: SignResult | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A ModelKit that is in its repository with its evidence, and tagged."""

    pack: PackResult
    provenance: Attached | None = None
    signature: SignResult | None = None

    @property
    def reference(self) -> Reference:
        """Tag (if any) and digest."""
        return self.pack.reference


def publish(
    context_dir: Path,
    repository: Repository,
    *,
    tag: str | None = None,
    statement: MakeStatement | None = None,
    signer: Signer | None = None,
    sign: bool = False,
    **options: Any,
) -> Published:
    """Pack a directory into ``repository``, attach a statement, sign, and move ``tag`` last.

    Args:
        context_dir: what the Kitfile's paths are relative to.
        repository: where all of it goes.
        tag: as in :func:`kitops_orchestration.modelkit.pack.pack`, whose ``options`` are taken, too.
        statement: makes what is attached, signed with ``signer`` where there is one.
        signer: the key.
        sign: sign the ModelKit itself, too.
        options: of ``pack``.

    Raises:
        SignatureError: ``sign`` without a ``signer``; nothing was packed.
    """
    require_signer(repository, signer, sign=sign)
    made: list[Endorsement] = []

    def before_tag(packed: PackResult) -> None:
        said = statement(packed) if statement is not None else None
        made.append(endorse(repository, packed, said, signer=signer, sign=sign))

    packed = pack(context_dir, repository, tag=tag, before_tag=before_tag, **options)
    (endorsement,) = made
    return Published(packed, endorsement.provenance, endorsement.signature)


def endorse(
    repository: Repository,
    packed: PackResult,
    statement: Statement | None,
    *,
    signer: Signer | None = None,
    sign: bool = False,
) -> Endorsement:
    """Attach ``statement`` to what was packed and sign it; call it before a tag points there."""
    attached = attach(repository, packed.digest, statement, signer=signer) if statement is not None else None
    if not sign or signer is None:
        return Endorsement(attached)
    from kitops_orchestration.signing.sign import sign as sign_manifest

    return Endorsement(attached, sign_manifest(repository, packed.digest, signer))


def require_signer(repository: Repository, signer: Signer | None, *, sign: bool) -> None:
    """Refuse to begin what could not be signed at its end.

    Raises:
        SignatureError: ``sign`` without a ``signer``.
    """
    if sign and signer is None:
        raise SignatureError(
            f"cannot sign {repository.reference.name}: there is no key", advice="give the private key to sign with"
        )
