"""What a promotion was judged by, asked for again after its copy: tags and lists that may be others by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.oci.read_once import Answer, OpenedOnce
from kitops_orchestration.oci.referrers import older_tags

if TYPE_CHECKING:
    from kitops_orchestration.oci.copying.graph import Judged
    from kitops_orchestration.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class AskedBefore:
    """A question, what it was answered, and what the copy adds to that."""

    place: Repository | None
    """Who was asked; ``None`` is the destination."""
    answer: Answer
    copied: frozenset[str] = frozenset()

    def is_answered_otherwise(self, destination: Repository) -> bool:
        """Tell whether the answer lacks now what it had, or has what no copy brought."""
        before = self.answer.said
        found = self.answer.now(destination if self.place is None else self.place).said
        return not before <= found <= before | self.copied


def asked_before(once: OpenedOnce, judged: Judged, tag: str) -> list[AskedBefore]:
    """Return the questions of a judgement, but for where the stage's ``tag`` is: that may not have moved at all."""
    here, there = judged.source.reference.name, judged.destination.reference.name
    answers = [(place, place.reference.name, item) for place, item in once.answers()]
    told = {(name, item.kind, item.about): item.said for _, name, item in answers}
    copied = {("referrers", str(judged.digest)), *(("resolve", name) for name in older_tags(judged.digest))}

    def added(item: Answer) -> frozenset[str]:
        is_copied = here != there and (item.kind, item.about) in copied
        return told.get((here, item.kind, item.about), frozenset()) if is_copied else frozenset()

    questions = [AskedBefore(place, item) for place, name, item in answers if name != there]
    own = [item for _, name, item in answers if name == there and (item.kind, item.about) != ("resolve", tag)]
    if judged.is_new and here != there:
        # A destination that had no such manifest was not asked what refers to it; some list that all the same.
        new = [Answer(kind, about, frozenset()) for kind, about in sorted(copied) if (there, kind, about) not in told]
        own += new
    return [*questions, *(AskedBefore(None, item, added(item)) for item in own)]
