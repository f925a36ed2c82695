"""Make, or renew, the signed checkpoint of a repository: the witness's work.

A witness never covers up a loss: what the checkpoint before listed and is not there any more ends the run with the
names of what is missing, and nothing is written, until a person accepts it with a reason that is signed as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.errors import CheckFailedError, KitOpsError, NotFoundError, PromotionError, TagMovedError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.oci.tag_guard import allowing
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, Items, Page, Paragraph, Strong
from kitops_orchestration.promotion.checkpoint.held import ARTIFACT, Held, Witness, read_checkpoint
from kitops_orchestration.promotion.checkpoint.leaves import LEAVES, PREFIX, Leaves, root_of
from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory, FileMemory, Seen, recall, remember
from kitops_orchestration.promotion.checkpoint.removal import Removed, ensure_anchor
from kitops_orchestration.promotion.checkpoint.statement import AcceptedLoss, CheckpointStatement
from kitops_orchestration.promotion.checkpoint.walk import Loss, gone_since, names_of, walk
from kitops_orchestration.promotion.rules.checkpoint_rule import MOST_HOURS
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.bundle import BUNDLE, sign_statement
from kitops_orchestration.signing.predicate_types import CHECKPOINT
from kitops_orchestration.signing.statement import ResourceDescriptor, Statement
from kitops_orchestration.signing.timestamps import format_timestamp, now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

VALID_HOURS = 24.0
_RENEWED_AFTER = 0.25
"""The part of its time after which a checkpoint is made anew although nothing changed."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class CheckpointResult(Answer):
    """The checkpoint that a repository has now."""

    reference: Reference
    """The witness's tag, pinned by the digest of the checkpoint's manifest."""
    statement: CheckpointStatement
    root: Digest
    is_new: bool
    """False when nothing had changed and the one that was there is young: nothing was written."""
    tags: int = 0
    """How many tags of stages are listed."""
    gone: tuple[Removed, ...] = ()
    """Versions that are gone since the one before, and that somebody who may said to remove."""

    @property
    def version(self) -> int:
        """Its number: 1, 2, …"""
        return self.statement.version

    def to_json(self) -> dict[str, Any]:
        """Return number, root, times and counts."""
        said = self.statement
        return {
            "reference": str(self.reference),
            "digest": str(self.reference.digest),
            "version": said.version,
            "root": str(self.root),
            "issuedOn": said.issued_on,
            "expiresOn": said.expires_on,
            "digests": said.digests,
            "evidence": said.evidence,
            "tags": self.tags,
            "isNew": self.is_new,
            "previous": said.previous,
            "removed": [item.to_json() for item in said.removed],
            "gone": [item.to_json() for item in self.gone],
        }

    def page(self) -> Page:
        """Return what it is, and what was let go."""
        said = self.statement
        verb = "was made" if self.is_new else "is there already"
        lists = f" {verb}: {said.digests} digests, {said.evidence} statements, {self.tags} tags of stages, until "
        let_go = [f"let go: {item.missing}: {item.reason}" for item in said.removed]
        let_go += [f"removed by {item.by}: {item.digest}: {item.reason}" for item in self.gone]
        return Page.of(
            "",
            Paragraph.of(Strong(f"Checkpoint {said.version}"), " of ", Code(said.repository), lists, said.expires_on),
            Items(tuple(let_go)),
        )


class CheckpointOptions(TypedDict, total=False):
    """What :func:`checkpoint` takes by name and a client or an adapter hands through."""

    signer: Signer | None
    trust: TrustPolicy | None
    valid_hours: float | None
    accept_missing: Sequence[str]
    renew_only: bool
    allow_empty: bool
    memory: CheckpointMemory | None
    limits: Limits


def checkpoint(
    repository: Repository,
    *,
    signer: Signer | None = None,
    trust: TrustPolicy | None = None,
    policy: PromotionPolicy | None = None,
    valid_hours: float | None = None,
    accept_missing: Sequence[str] = (),
    reason: str | None = None,
    renew_only: bool = False,
    allow_empty: bool = False,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> CheckpointResult:
    """Sign what ``repository`` holds now; again adds nothing while nothing changed and the last one is young.

    Requests: about four for each version, ``limits.concurrency`` at a time; what statements say is cached.

    Args:
        repository: all of it, whatever its tags.
        signer: the witness's key, which the trust policy has to give the role for checkpoints.
        trust: whose evidence is listed: that of everybody whom it knows, and freezes of anybody.
        policy: names stages that were never entered; its ``checkpoint.maxAgeHours`` is how long this one holds.
        valid_hours: how long it holds instead; a day without either.  An unchanged one is made anew after a quarter.
        accept_missing: digests of versions or statements, or tags, that are gone and shall be listed no more.
        reason: why, which is signed as well.
        renew_only: fail where there is none to renew, as a schedule should: who takes the checkpoint away would have
            a first one made, which misses nothing.
        allow_empty: also of a repository that is not there yet, so that the first promotion into it finds one.
        memory: where numbers are remembered; by default in a folder of this machine.
        limits: concurrency and waiting.

    Raises:
        CheckFailedError: something is missing, or an older checkpoint was put back; nothing was written.
        PromotionError: no key, no trust policy, a key without the role, or hours that cannot be.
    """
    if signer is None or trust is None:
        lacks = "a key" if signer is None else "a trust policy"
        raise PromotionError(
            f"a checkpoint of {repository.reference.name} needs {lacks}",
            advice="give the witness's key, and the trust policy that says whose evidence is listed",
        )
    if accept_missing and not (reason and reason.strip()):
        raise PromotionError("to let something go needs a reason", advice="say why, for those who look back")
    witness = require_witness(trust, signer)
    if not allow_empty:
        next(iter(repository.tags()), None)  # of a misspelt name there is nothing to witness: not found
    hours = policy.checkpoint.max_age_hours if policy and policy.checkpoint else VALID_HOURS
    if valid_hours is not None:
        hours = valid_hours
        if not 0 < hours <= MOST_HOURS:  # not a number is neither
            raise PromotionError(
                f"a checkpoint cannot hold for {hours:g} hours",
                advice=f"give a number of hours that is more than 0 and at most {MOST_HOURS}",
            )
    work = _Work(
        repository,
        witness,
        signer,
        trust,
        policy,
        hours,
        tuple(accept_missing),
        reason or "",
        renew_only,
        FileMemory() if memory is None else memory,
        limits,
    )
    for _ in range(_ATTEMPTS):
        made = work.made()
        if resolve_or_none(repository, witness.tag) == made.reference.digest:
            remember(work.memory, repository.reference.name, witness.tag, _seen(made))
            return made
    raise TagMovedError(
        f"another run with the same key keeps writing the checkpoint of {repository.reference.name}",
        advice="let one schedule do it",
    )


def require_witness(trust: TrustPolicy, signer: Signer) -> Witness:
    """Return who signs; raises :class:`PromotionError` where a checkpoint with this key would count for nothing."""
    judged = trust.judge(signer.public_key, CHECKPOINT)
    if not judged.counts or judged.identity is None:
        raise PromotionError(
            f"a checkpoint with this key would count for nothing: {judged.reason}",
            advice="give the key's owner the role witness in the trust policy",
        )
    return Witness(judged.identity.id, signer.public_key)


@dataclass(frozen=True, slots=True)
class _Work:
    """One run of a witness."""

    repository: Repository
    witness: Witness
    signer: Signer
    trust: TrustPolicy
    policy: PromotionPolicy | None
    hours: float
    accepted: tuple[str, ...]
    reason: str
    renew_only: bool
    memory: CheckpointMemory
    limits: Limits

    def made(self) -> CheckpointResult:
        """Look, compare with the checkpoint before, and write one where it is due."""
        moment, name = now(), self.repository.reference.name
        before, least, let_go = self._before(moment)
        listed = before.leaves() if before else Leaves()
        seen = walk(self.repository, listed, policy=self.policy, trust=self.trust, moment=moment, limits=self.limits)
        gone = gone_since(self.repository, listed, seen, trust=self.trust, moment=moment, limits=self.limits)
        self._require_accepted(name, before, gone.lost)
        let_go += [AcceptedLoss(name, self.reason) for name in self._accepted_of(gone.lost)]
        forgotten = [digest for digest in gone.kept if digest in self.accepted]
        let_go += [AcceptedLoss(digest, self.reason) for digest in forgotten]
        kept = {digest: names for digest, names in gone.kept.items() if digest not in forgotten}
        leaves = replace(seen.leaves, digests={**seen.leaves.digests, **kept})
        shards = _descriptors(leaves)
        root = root_of(descriptor for descriptor, _ in shards)
        if before is not None and before.root == root and not let_go and self._is_in_force(before, moment):
            return self._result(before.said, root, before.manifest, leaves, gone.removed, is_new=False)
        said = CheckpointStatement(
            1 + max(least, before.said.version if before else 0),
            _not_before(moment, before),
            format_timestamp(moment + timedelta(hours=self.hours)),
            name,
            len(leaves.digests),
            leaves.evidence,
            str(before.manifest) if before else None,
            tuple(let_go),
        )
        manifest = self._write(said, root, shards)
        return self._result(said, root, manifest, leaves, gone.removed, is_new=True)

    def _before(self, moment: datetime) -> tuple[Held | None, int, list[AcceptedLoss]]:
        """The checkpoint that this one follows, the highest number that was seen, and whether that one is let go.

        It is the newest that the memory knows, also where its tag was taken away.
        """
        name, tag = self.repository.reference.name, self.witness.tag
        seen = recall(self.memory, name).get(tag)
        found = self._at_tag(moment, is_known=seen is not None)
        if found is None and seen is None:
            if self.renew_only:
                raise NotFoundError(
                    f"{name} has no checkpoint by {self.witness.identity} to renew",
                    operation="renew checkpoint",
                    reference=f"{name}:{tag}",
                    advice="make the first one by hand; where there was one, find out who took it away",
                )
            return None, 0, []
        if seen is None or (found is not None and found.said.version >= seen.version):
            return found, 0, []
        # Somebody put an older one there, or took it away; by its digest the newest may still be found.
        newest = read_checkpoint(self.repository, self.witness, self.trust, moment, target=seen.manifest)
        if newest is not None:
            return newest, 0, []
        if seen.manifest not in self.accepted:
            has = f"has number {found.said.version}" if found else "has none"
            raise CheckFailedError(
                f"checkpoint {seen.version} of {name} ({seen.manifest}) is gone, and the registry {has}",
                advice=f"find out who took it away; --accept-missing {seen.manifest} --reason … goes on without it",
            )
        # The number has to be above everything that was seen, whatever is left to compare with.
        return found, seen.version, [AcceptedLoss(seen.manifest, self.reason)]

    def _at_tag(self, moment: datetime, *, is_known: bool) -> Held | None:
        """What is at the tag; something else there is as good as nothing where the memory knows the last one."""
        try:
            return read_checkpoint(self.repository, self.witness, self.trust, moment)
        except KitOpsError as error:
            if error.transient or not is_known:
                raise
            return None

    def _require_accepted(self, name: str, before: Held | None, lost: list[Loss]) -> None:
        missing = [loss for loss in lost if not loss.names & set(self.accepted)]
        if missing and before is not None:
            raise CheckFailedError(
                f"{name} lacks what checkpoint {before.said.version} lists: {names_of(missing)}",
                advice="put it back; or let it go by --accept-missing DIGEST --reason …, which is signed as well",
            )

    def _accepted_of(self, lost: list[Loss]) -> list[str]:
        return [name for name in self.accepted if any(name in loss.names for loss in lost)]

    def _is_in_force(self, before: Held, moment: datetime) -> bool:
        """Young, and still where everybody looks for it."""
        if resolve_or_none(self.repository, self.witness.tag) != before.manifest:
            return False
        issued, expires = parse_timestamp(before.said.issued_on), parse_timestamp(before.said.expires_on)
        holds = min(expires - issued, timedelta(hours=self.hours))
        return issued <= moment < issued + holds * _RENEWED_AFTER

    def _write(self, said: CheckpointStatement, root: Digest, shards: list[tuple[Descriptor, bytes]]) -> Digest:
        subject = (ResourceDescriptor(said.repository, digest={root.algorithm: root.hex}),)
        signed = sign_statement(Statement.of(subject, CHECKPOINT, said.to_json()), self.signer)
        config = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)
        bundle = Descriptor(BUNDLE, Digest.of(signed), len(signed))
        manifest = Manifest.build(
            config=config, layers=[bundle, *(descriptor for descriptor, _ in shards)], artifact_type=ARTIFACT
        )
        ensure_anchor(self.repository)  # whoever removes something sees by it that somebody watches
        for descriptor, content in [(config, b"{}"), (bundle, signed), *shards]:
            self.repository.push_blob(descriptor, BytesSource(content))
        with allowing(self.repository, self.witness.tag):
            self.repository.push_manifest(manifest, tag=self.witness.tag)
        return manifest.digest

    def _result(
        self,
        said: CheckpointStatement,
        root: Digest,
        manifest: Digest,
        leaves: Leaves,
        removed: Sequence[Removed],
        *,
        is_new: bool,
    ) -> CheckpointResult:
        reference = self.repository.reference.with_tag(self.witness.tag).with_digest(manifest)
        return CheckpointResult(reference, said, root, is_new, len(leaves.tags), tuple(removed))


def _descriptors(leaves: Leaves) -> list[tuple[Descriptor, bytes]]:
    return [
        (Descriptor(LEAVES, Digest.of(content), len(content), {PREFIX: prefix}), content)
        for prefix, content in leaves.shards().items()
    ]


def _not_before(moment: datetime, before: Held | None) -> str:
    """Now, and never before the checkpoint before: a clock that went back makes no older one."""
    return format_timestamp(max(moment, parse_timestamp(before.said.issued_on)) if before else moment)


def _seen(made: CheckpointResult) -> Seen:
    return Seen(made.version, made.root, str(made.reference.digest))
