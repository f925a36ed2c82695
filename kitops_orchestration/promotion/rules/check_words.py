"""The words of the policy language's checks, read strictly.

A check whose arguments cannot be meant (a bound that is not a number, an empty name among those allowed) would be
green, or red, for ever: it is an error of the policy, told with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from kitops_orchestration.errors import PromotionError
from kitops_orchestration.signing.predicate_types import SHORT_NAMES, TEST_RESULT, full_name

Kind = type | tuple[type, ...]

_WORDS: dict[str, dict[str, Kind]] = {
    "signature": {"roles": list, "count": int},
    "attestation": {"type": str, "builder": str, "result": str},
    "metric": {"name": str, "dataset": str, "min": (str, int, float), "max": (str, int, float), "attested": bool},
    "notWorseThan": {"stage": str, "metric": str, "tolerance": (str, int, float), "lowerIsBetter": bool},
    "datasetsDeclared": {},
    "license": {"allow": list},
    "serialization": {"deny": list, "allow": list},
    "maxAge": {"attestation": str, "days": (int, float)},
    "secretsScanned": {"maxAgeDays": (int, float), "allowed": bool, "complete": bool},
    "cardComplete": {"sections": list, "roles": list},
    "approvals": {"roles": list, "count": int, "excludeBuilder": bool, "maxAgeDays": (int, float), "trustedTime": bool},
    "custom": {"callable": str, "arguments": dict},
}
"""Every check of the policy language with the words it understands."""

_REQUIRED: dict[str, tuple[str, ...]] = {
    "attestation": ("type",),
    "metric": ("name",),
    "notWorseThan": ("stage", "metric"),
    "license": ("allow",),
    "maxAge": ("attestation", "days"),
    "cardComplete": ("sections",),
    "approvals": ("roles",),
    "custom": ("callable",),
}
_MOST = 100_000
_NUMBERS = ("min", "max", "tolerance")
_RESULTS = ("PASSED", "WARNED", "FAILED")


def read_check(item: Any, place: str) -> tuple[str, Mapping[str, Any]]:
    """Return kind and arguments of one entry of ``checks``; raises :class:`PromotionError` with the place."""
    if not isinstance(item, dict) or len(item) != 1:
        raise wrong(place, "must be one check, for example {metric: {name: accuracy, min: 0.9}}")
    ((kind, arguments),) = item.items()
    words = _WORDS.get(kind)
    if words is None:
        raise wrong(place, f"{kind!r} is no check; the checks are {', '.join(_WORDS)}")
    place = f"{place}.{kind}"
    if kind == "cardComplete" and isinstance(arguments, list):
        arguments = {"sections": arguments}
    arguments = mapping({} if arguments is True else arguments, place)
    known(arguments, set(words), place)
    for word in _REQUIRED.get(kind, ()):
        if arguments.get(word) in (None, "", []):
            raise wrong(f"{place}.{word}", "is missing")
    for word, value in arguments.items():
        _check_argument(value, words[word], word, f"{place}.{word}")
    _check_together(kind, arguments, place)
    return kind, arguments


def _check_argument(value: Any, kind: Kind, word: str, place: str) -> None:
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        raise wrong(place, f"has the wrong type: {value!r}")
    if isinstance(value, list):
        distinct_texts(value, place)
        if not value:
            raise wrong(place, "is an empty list")
    elif word in _NUMBERS:
        _check_number(value, word, place)
    elif isinstance(value, str) and (value.strip() != value or not value):
        raise wrong(place, f"is empty, or has white space around it: {value!r}")
    if word in ("count", "days", "maxAgeDays") and not 0 < float(value) <= _MOST:  # type: ignore[arg-type]  # checked above: a number
        raise wrong(place, f"must be more than 0 and at most {_MOST}, not {value}")


def _check_number(value: Any, word: str, place: str) -> None:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise wrong(place, f"is not a number: {value!r}") from error
    if not number.is_finite():
        raise wrong(place, f"is not a finite number: {value!r}")
    if word == "tolerance" and number < 0:
        raise wrong(place, f"must not be negative: {value!r}")


def _check_together(kind: str, arguments: Mapping[str, Any], place: str) -> None:
    """What no argument shows alone."""
    if kind == "metric":
        if not {"min", "max"} & set(arguments):
            raise wrong(place, "needs min or max")
        if {"min", "max"} <= set(arguments) and Decimal(str(arguments["min"])) > Decimal(str(arguments["max"])):
            raise wrong(place, f"has min {arguments['min']} above max {arguments['max']}: no value is between")
    if kind == "cardComplete":
        _check_sections(arguments["sections"], place)
    if kind == "serialization" and not {"deny", "allow"} & set(arguments):
        raise wrong(place, "needs deny or allow")
    named = {"attestation": "type", "maxAge": "attestation"}.get(kind)
    if named is not None and ":" not in full_name(arguments[named]):
        raise wrong(f"{place}.{named}", f"is no predicate type; use a URI or one of {', '.join(SHORT_NAMES)}")
    result = arguments.get("result")
    if kind == "attestation" and full_name(arguments["type"]) == TEST_RESULT and result not in (None, *_RESULTS):
        raise wrong(f"{place}.result", f"is {result!r}; a test result is one of {', '.join(_RESULTS)}")


def _check_sections(names: list[str], place: str) -> None:
    from kitops_orchestration.lineage.statements.card import SECTIONS

    for name in names:
        if name not in SECTIONS:
            raise wrong(f"{place}.sections", f"names {name!r}, which is no section of a card: {', '.join(SECTIONS)}")


def mapping(value: Any, place: str) -> dict[str, Any]:
    """Return the value when it is a mapping."""
    if not isinstance(value, dict):
        raise wrong(place, "must be a mapping")
    return value


def known(value: Mapping[str, Any], words: set[str], place: str) -> None:
    """Refuse names that the language does not have: a misspelt check would be a check that never runs."""
    for word in value:
        if word not in words:
            allowed = ", ".join(sorted(words)) or "nothing"
            raise wrong(f"{place}.{word}", f"is unknown; allowed here: {allowed}")


def distinct_texts(value: Any, place: str) -> tuple[str, ...]:
    """Return the value when it is a list of texts, none empty, none with white space around it, none twice."""
    if not isinstance(value, list) or not all(isinstance(entry, str) and entry.strip() for entry in value):
        raise wrong(place, "must be a list of texts, none of them empty")
    for entry in value:
        if entry.strip() != entry:
            raise wrong(place, f"has an entry with white space around it: {entry!r}")
    if len(set(value)) != len(value):
        raise wrong(place, "has an entry twice")
    return tuple(value)


def wrong(place: str, problem: str) -> PromotionError:
    """Return the error about one place of the policy."""
    return PromotionError(f"promotion policy: {place} {problem}", advice="correct the policy file")
