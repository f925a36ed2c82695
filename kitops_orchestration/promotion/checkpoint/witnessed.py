"""The checkpoints of a repository held against one version, for pages: told and not judged by any policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.lineage.answers.witnessed import Missing, Witnessed, WitnessedRepository
from kitops_orchestration.promotion.checkpoint.held import Held, Witness, read_checkpoint, witnesses
from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory, FileMemory, Seen, recall, remember
from kitops_orchestration.promotion.checkpoint.shown import described, is_of_older_form, shown
from kitops_orchestration.promotion.checkpoint.verify import (
    RecordedNumber,
    place_of,
    recorded_numbers,
    why_back,
    why_behind,
    why_none,
)
from kitops_orchestration.promotion.checkpoint.walk import gone_since, walk
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements import Promotion
    from kitops_orchestration.lineage.statements.recorded import Recorded
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checkpoint.statement import CheckpointStatement
    from kitops_orchestration.signing.trust import TrustPolicy


def witnessed(
    repository: Repository,
    digest: str,
    trust: TrustPolicy,
    promotions: Sequence[Recorded[Promotion]] = (),
    *,
    moment: datetime | None = None,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> tuple[Witnessed, ...]:
    """Return what each witness of the trust policy says of a version, also that one has no checkpoint here.

    ``moment`` is what counts as now.  A registry that does not answer is told, like every other problem: a page shows
    what there is.  A checkpoint counts for nothing where ``memory``, this machine's unless it is given, has a later
    one, or one of the ``promotions`` on record saw one.
    """
    at, kept, least = moment or now(), FileMemory() if memory is None else memory, recorded_numbers(promotions)
    return tuple(_of(repository, digest, witness, trust, kept, at, limits, least) for witness in witnesses(trust, at))


def witnessed_repository(
    repository: Repository,
    trust: TrustPolicy,
    promotions: Sequence[Recorded[Promotion]] = (),
    *,
    moment: datetime | None = None,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> tuple[WitnessedRepository, ...]:
    """Return what each witness of the trust policy lists and the repository lacks: versions, statements, stages.

    All of the repository is read for that, as a witness reads it; nothing where the trust policy names no witness.
    What somebody who may signed to remove is not missing.  What was seen of checkpoints is asked of ``memory``, and
    kept there: this machine's unless another is given.  What the ``promotions`` on record say that they saw, was seen
    as well.
    """
    at, kept, least = moment or now(), FileMemory() if memory is None else memory, recorded_numbers(promotions)
    return tuple(
        _of_repository(repository, witness, trust, kept, at, limits, least) for witness in witnesses(trust, at)
    )


def _of_repository(
    repository: Repository,
    witness: Witness,
    trust: TrustPolicy,
    memory: CheckpointMemory,
    moment: datetime,
    limits: Limits,
    recorded: Mapping[str, RecordedNumber],
) -> WitnessedRepository:
    try:
        known = recall(memory, repository.reference.name)
    except KitOpsError as error:
        return WitnessedRepository(witness.identity, problem=str(error))
    seen, least = known.get(witness.tag), recorded.get(place_of(repository, witness))
    was_there = seen is not None or least is not None
    try:
        held = read_checkpoint(repository, witness, trust, moment)
    except KitOpsError as error:
        # One was there: that what is there now is none of the witness's is somebody's doing.
        is_back = was_there and not error.transient
        return WitnessedRepository(witness.identity, problem=str(error), is_put_back=is_back)
    if held is None:
        return WitnessedRepository(witness.identity, problem=_why_none(witness, seen, least), is_put_back=was_there)
    back = why_back(held, known) or why_behind(held, recorded)
    problem = back or _why_not_kept(held, memory) or _why_expired(held.said, moment)
    try:
        missing = _missing_of(held, trust, moment, limits)
    except KitOpsError as error:
        missing, problem = (), back or str(error)
    said = held.said
    return WitnessedRepository(
        witness.identity, said.version, said.issued_on, missing, problem, back is not None, may_be_older=not was_there
    )


def _why_none(witness: Witness, seen: Seen | None, least: RecordedNumber | None) -> str:
    was_there = seen is not None or least is not None
    return why_none(witness, seen, least) if was_there else "there is no checkpoint of this witness"


def _missing_of(held: Held, trust: TrustPolicy, moment: datetime, limits: Limits) -> tuple[Missing, ...]:
    listed = held.leaves()
    seen = walk(held.repository, listed, policy=None, trust=trust, moment=moment, limits=limits)
    gone = gone_since(held.repository, listed, seen, trust=trust, moment=moment, limits=limits)
    return tuple(Missing(loss.words, loss.names) for loss in gone.lost)


def _why_not_kept(held: Held, memory: CheckpointMemory) -> str | None:
    """Remember a checkpoint; return why that was not possible."""
    try:
        remember(memory, held.repository.reference.name, held.witness.tag, held.seen)
    except KitOpsError as error:
        return str(error)
    return None


def _why_expired(said: CheckpointStatement, moment: datetime) -> str | None:
    return f"it expired on {said.expires_on}" if moment > parse_timestamp(said.expires_on) else None


def _of(
    repository: Repository,
    digest: str,
    witness: Witness,
    trust: TrustPolicy,
    memory: CheckpointMemory,
    moment: datetime,
    limits: Limits,
    recorded: Mapping[str, RecordedNumber],
) -> Witnessed:
    try:
        known = recall(memory, repository.reference.name)
        held, least = read_checkpoint(repository, witness, trust, moment), recorded.get(place_of(repository, witness))
        if held is None:
            return Witnessed(witness.identity, problem=_why_none(witness, known.get(witness.tag), least))
        said = held.said
        listed = held.evidence_of(digest)
        there = shown(repository, digest, limits=limits, has_older_forms=any(map(is_of_older_form, listed or ())))
    except KitOpsError as error:
        return Witnessed(witness.identity, problem=str(error))
    missing = [name for name in listed or () if name not in there]
    return Witnessed(
        witness.identity,
        said.version,
        said.issued_on,
        said.expires_on,
        held.stamped_by,
        listed is not None,
        tuple(described(repository, digest, name, trust, moment) for name in missing),
        why_back(held, known) or why_behind(held, recorded) or _why_expired(said, moment),
    )
