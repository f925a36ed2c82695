"""Freeze a stage: nothing is promoted into it until somebody thaws it, and the registry says who and why.

The statement is attached to the digest that the stage has, and holds as long as that digest is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kitops_orchestration.errors import PromotionError, SignatureError
from kitops_orchestration.lineage.attach import Attached, attach, load_evidence
from kitops_orchestration.promotion.predicate_types import FREEZE
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import format_timestamp, now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.evidence import Evidence
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Freeze:
    """A stage was closed or opened again."""

    predicate_type: ClassVar[str] = FREEZE

    stage: str
    is_frozen: bool
    reason: str
    created_on: str
    by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        value = {
            "stage": self.stage,
            "action": "frozen" if self.is_frozen else "thawed",
            "reason": self.reason,
            "createdOn": format_timestamp(self.created_on),
            "by": self.by,
        }
        return {key: item for key, item in value.items() if item is not None}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        try:
            action = value["action"]
            if action not in ("frozen", "thawed"):
                raise SignatureError(f"a freeze says neither frozen nor thawed but {action!r}")
            moment = format_timestamp(value["createdOn"])
            return cls(value["stage"], action == "frozen", value["reason"], moment, value.get("by"))
        except (KeyError, TypeError, AttributeError) as error:
            raise SignatureError(f"a freeze lacks a member: {error}") from error


def freeze(
    repository: Repository,
    stage: str,
    *,
    reason: str,
    tag: str | None = None,
    is_frozen: bool = True,
    signer: Signer | None = None,
    by: str | None = None,
    created_on: str | None = None,
) -> Attached:
    """Close a stage (``is_frozen=False`` opens it again); raises :class:`NotFoundError` when it is empty.

    ``created_on`` is now unless given; of two words in the same second, "frozen" is the last.
    """
    if not reason.strip():
        raise PromotionError(f"freezing {stage} needs a reason", advice="say why, for those who meet the freeze")
    digest = repository.resolve(tag or stage).digest
    moment = format_timestamp(created_on) if created_on else _after_the_last(repository, digest, stage)
    statement = Freeze(stage, is_frozen, reason, moment, by)
    return attach(repository, digest, statement, signer=signer)


def _after_the_last(repository: Repository, digest: Digest, stage: str) -> str:
    """Now, or a second after the last word on the stage: times are whole seconds, and the order has to show."""
    found = [_read(item, stage) for item in load_evidence(repository, digest, predicate_types={FREEZE})]
    try:
        earlier = [parse_timestamp(said.created_on) + timedelta(seconds=1) for said in found if said is not None]
        return format_timestamp(max([now(), *earlier]))
    except OverflowError as error:
        raise PromotionError(
            f"a freeze of {stage} is dated at the end of time, so that nothing can come after it",
            advice=f"remove that statement from {repository.reference.name}: kitctl timeline shows it",
        ) from error


def why_frozen(
    repository: Repository,
    stage: str,
    current: Digest | None,
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
) -> str | None:
    """Return why nothing may enter the stage now, or ``None`` when it is open.

    With a trust policy anybody's freeze holds, and only a thaw that counts opens: both fail closed.
    """
    if current is None:
        return None
    found = load_evidence(repository, current, predicate_types={FREEZE}, trust=trust, limits=limits)
    state: Freeze | None = None
    for item in found:
        said = _read(item, stage)
        counts = said is not None and (said.is_frozen or trust is None or item.is_verified)
        if counts and not _is_overruled(said, state):
            state = said
    if state is None or not state.is_frozen:
        return None
    return f"frozen since {state.created_on}: {state.reason}" + (f" ({state.by})" if state.by else "")


def _is_overruled(said: Freeze | None, state: Freeze | None) -> bool:
    if said is None or state is None:
        return False
    return state.is_frozen and not said.is_frozen and said.created_on == state.created_on


def _read(item: Evidence, stage: str) -> Freeze | None:
    if item.statement is None:
        return None
    try:
        said = Freeze.from_json(item.statement.predicate)
    except SignatureError:
        return None
    return said if said.stage == stage else None
