"""Publish: pack, say where it comes from, sign, and only then tag.

Whoever finds a ModelKit by its tag finds its evidence and its signature, too: a consumer that verifies what a tag
points at never meets a moment in which they are missing, and a signature that could not be made moves no tag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from kitops_orchestration.errors import SigningKeyMissingError
from kitops_orchestration.lineage.statements.attach import Attached, attach
from kitops_orchestration.modelkit.pack import PackOptions, PackResult, pack

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import OpenRepository, Repository
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


class PublishOptions(PackOptions, total=False):
    """What :func:`publish` takes by name and a client or an adapter hands through."""

    statement: MakeStatement | None
    signer: Signer | None
    sign: bool | None


def publish(
    context_dir: Path,
    repository: Repository,
    *,
    tag: str | None = None,
    statement: MakeStatement | None = None,
    signer: Signer | None = None,
    sign: bool | None = False,
    open_parent: OpenRepository | None = None,
    **options: Unpack[PackOptions],
) -> Published:
    """Pack a directory into ``repository``, attach a statement, sign, and move ``tag`` last.

    Args:
        context_dir: what the Kitfile's paths are relative to.
        repository: where all of it goes.
        tag: as in :func:`kitops_orchestration.modelkit.pack.pack`, whose ``options`` are taken, too.
        statement: makes what is attached, signed with ``signer`` where there is one.
        signer: the key.
        sign: sign the ModelKit itself, too; ``None`` where there is a ``signer``.
        open_parent: as in ``pack``.
        options: of ``pack``.

    Raises:
        SigningKeyMissingError: ``sign`` without a ``signer``; nothing was packed.
    """
    is_signed = signs(repository, signer, sign=sign)
    made: list[Endorsement] = []

    def before_tag(packed: PackResult) -> None:
        said = statement(packed) if statement is not None else None
        made.append(endorse(repository, packed, said, signer=signer, sign=is_signed))

    packed = pack(context_dir, repository, tag=tag, open_parent=open_parent, before_tag=before_tag, **options)
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


def signs(repository: Repository, signer: Signer | None, *, sign: bool | None) -> bool:
    """Tell whether a new ModelKit is signed; ``sign=None`` means where there is a ``signer``.

    Asked before anything begins that could not be signed at its end.

    Raises:
        SigningKeyMissingError: ``sign`` without a ``signer``.
    """
    if sign and signer is None:
        raise SigningKeyMissingError(
            f"cannot sign {repository.reference.name}: there is no key", advice="give the private key to sign with"
        )
    return signer is not None if sign is None else sign
