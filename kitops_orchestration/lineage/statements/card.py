"""The card: what people write about a version, section by section, because no machine knows it.

::

    sections:
      intended-use: |
        Ranks e-mails for a person who decides.
      limitations: English only.

A section that the same signer writes again in a later card, which names the earlier one, takes the place of the earlier
text; what somebody else wrote stays beside it.  No clock decides.  The text is plain: nothing in it is ever a link or
markup on a page of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import format_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.recorded import Recorded

SECTIONS: Mapping[str, str] = {
    "intended-use": "Intended use",
    "out-of-scope": "Out of scope",
    "limitations": "Capabilities and limitations",
    "ethical-considerations": "Ethical considerations",
    "provider": "Provider",
    "contact": "Contact",
    "hardware": "Hardware it runs on",
    "design-choices": "Design choices",
    "training-data": "Training data",
    "labelling": "Labelling",
    "evaluation": "Evaluation",
    "metrics-rationale": "Why these metrics",
    "human-oversight": "Human oversight",
    "risk-management": "Risk management",
    "standards": "Standards applied",
    "conformity-declaration": "EU declaration of conformity",
    "monitoring-plan": "Post-market monitoring plan",
}
"""Name of each section in a statement and a policy, to its heading; in the order in which pages show them."""

MAX_LETTERS = 20_000
"""Of one section: what a page shows whole."""
MAX_SECTIONS = 64
_LONGEST_NAME = 64
_MEMBERS = ("sections", "author", "createdOn", "supersedes")


@dataclass(frozen=True, slots=True)
class Card:
    """What somebody wrote about a version."""

    predicate_type: ClassVar[str] = predicate_types.CARD

    sections: Mapping[str, str] = field(hash=False)
    """Name to text; a name that is not among :data:`SECTIONS` is kept and counts for nothing."""
    author: Mapping[str, str] | None = field(default=None, hash=False)
    """``id``, ``name``: what the text says of its author. Who vouches is the owner of the key that signed."""
    created_on: str | None = None
    supersedes: tuple[str, ...] = ()
    """Manifest digests of the same signer's cards whose sections this one writes anew."""

    def __post_init__(self) -> None:
        for problem in _section_problems(self.sections):
            raise SignatureError(problem.words, advice=problem.advice)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of sections that nothing here reads."""
        return tuple(sorted(set(self.sections) - set(SECTIONS)))

    def to_json(self) -> dict[str, Any]:
        """Return the predicate object."""
        return {
            "sections": dict(sorted(self.sections.items())),
            **({"author": dict(self.author)} if self.author else {}),
            **({"createdOn": format_timestamp(self.created_on)} if self.created_on else {}),
            **({"supersedes": list(self.supersedes)} if self.supersedes else {}),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a predicate; raises :class:`SignatureError`."""
        for problem in card_problems(value):
            raise SignatureError(problem.words, advice=problem.advice)
        names = value.get("supersedes") or []
        return cls(dict(value["sections"]), value.get("author"), value.get("createdOn"), tuple(names))


@dataclass(frozen=True, slots=True)
class CardProblem:
    """What is wrong with one member of a card."""

    field: str
    """``sections.limitations``; empty for the card as a whole."""
    words: str
    advice: str | None = None


def card_problems(value: Any) -> Iterator[CardProblem]:
    """Yield all that keeps a value from being a card, by field."""
    if not isinstance(value, Mapping) or not isinstance(value.get("sections"), Mapping):
        field = "sections" if isinstance(value, Mapping) and "sections" in value else ""
        yield CardProblem(field, "the card has no object sections", "write sections: {intended-use: …}")
        return
    yield from _section_problems(value["sections"])
    created, names, author = value.get("createdOn"), value.get("supersedes") or [], value.get("author")
    if created is not None:
        yield from _time_problems(created)
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        yield CardProblem("supersedes", "supersedes is not a list of text")
    if author is not None and not _is_map_of_text(author):
        yield CardProblem("author", "author is not a map of text")


def _time_problems(created: Any) -> Iterator[CardProblem]:
    if not isinstance(created, str):
        yield CardProblem("createdOn", "createdOn is not text")
        return
    try:
        format_timestamp(created)  # a time that is none is found here, not on a page
    except SignatureError as error:
        yield CardProblem("createdOn", str(error), error.advice)


@dataclass(frozen=True, slots=True)
class Written:
    """One section that stands, and the statement that says it."""

    name: str
    text: str
    card: Recorded[Card]

    @property
    def title(self) -> str:
        """The heading."""
        return SECTIONS[self.name]

    @property
    def named_author(self) -> str:
        """Whom the statement names as its author; empty where it names nobody."""
        author = self.card.predicate.author or {}
        return author.get("name") or author.get("id") or ""

    def to_json(self) -> dict[str, Any]:
        """Return the text, and who wrote it."""
        evidence = self.card.evidence
        return {
            "name": self.name,
            "title": self.title,
            "text": self.text,
            "by": evidence.signer_name,
            "signer": evidence.signer,
            "author": dict(self.card.predicate.author) if self.card.predicate.author else None,
            "verified": evidence.is_verified,
            "reason": evidence.reason,
            "time": evidence.when,
            "statement": str(evidence.descriptor.digest),
        }


def card_of(
    texts: Mapping[str, Any], *, author: Mapping[str, str] | None = None, created_on: str | None = None
) -> Card | None:
    """Return the card of a form's answers; ``None`` where nothing was written.

    Raises:
        SignatureError: a section that no card has, or one that is too long.
    """
    section_titles(texts)
    filled = {name: text.strip() for name, text in texts.items() if isinstance(text, str) and text.strip()}
    return Card(filled, author, created_on) if filled else None


def section_titles(names: Iterable[str]) -> dict[str, str]:
    """Return name and heading of sections, in the given order; raises :class:`SignatureError` for one that is none."""
    found = list(names)
    for name in found:
        if name not in SECTIONS:
            raise SignatureError(f"{name!r} is no section of a card", advice=f"the sections are {', '.join(SECTIONS)}")
    return {name: SECTIONS[name] for name in found}


def written(cards: Sequence[Recorded[Card]]) -> tuple[Written, ...]:
    """Return the sections that stand, in the order of pages; of one that several people wrote, each text."""
    found = [
        Written(name, text, card)
        for card in cards
        for name, text in card.predicate.sections.items()
        if name in SECTIONS and not _is_replaced(card, name, cards)
    ]
    order = list(SECTIONS)
    return tuple(sorted(found, key=lambda item: order.index(item.name)))


def unknown_parts(predicate: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members and sections of a card that nothing here reads."""
    yield from (name for name in predicate if name not in _MEMBERS)
    sections = predicate.get("sections")
    if isinstance(sections, Mapping):
        yield from (f"sections.{name}" for name in sections if name not in SECTIONS)


def _is_replaced(card: Recorded[Card], name: str, cards: Sequence[Recorded[Card]]) -> bool:
    """Only who is known to be the author takes a text back: what nobody checked replaces nothing."""
    author, event = card.evidence.signer, str(card.evidence.descriptor.digest)
    return author is not None and any(
        other is not card
        and other.evidence.signer == author
        and other.evidence.is_verified
        and event in other.predicate.supersedes
        and name in other.predicate.sections
        for other in cards
    )


def _is_map_of_text(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, str) for pair in value.items() for item in pair)


def _section_problems(sections: Mapping[Any, Any]) -> Iterator[CardProblem]:
    if not sections:
        yield CardProblem("sections", "the card has no section", f"write one of {', '.join(SECTIONS)}")
    if len(sections) > MAX_SECTIONS:
        yield CardProblem("sections", f"the card has {len(sections)} sections; at most {MAX_SECTIONS} are read")
        return
    for name, text in sections.items():
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            yield CardProblem("sections", f"a section's name is not a text of 1 to {_LONGEST_NAME} letters")
        elif not isinstance(text, str) or not text.strip():
            told = f"the section {name} is not text, or is empty"
            yield CardProblem(f"sections.{name}", told, "write it, or leave it out")
        elif len(text) > MAX_LETTERS:
            told = f"the section {name} has {len(text):,} letters; at most {MAX_LETTERS:,} are read"
            yield CardProblem(f"sections.{name}", told, "shorten it, and name the document that says more")
