"""Reading ``trust.yaml``: strict, because a misspelt member would silently widen what is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kitops_orchestration.errors import KitOpsError, SignatureError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Identity, Rule, TrustedKey
from kitops_orchestration.signing.keys import load_public_key
from kitops_orchestration.signing.policy_text import read_policy_text
from kitops_orchestration.signing.timestamps import parse_timestamp

_VERSION = 1


def read_policy(path: Path) -> dict[str, Any]:
    """Return the fields of a ``TrustPolicy``; raises :class:`SignatureError` naming the place."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SignatureError(
            f"cannot read the trust policy {path}: {error.strerror}", advice="give the path of a trust policy (YAML)"
        ) from error
    try:
        return _policy(read_policy_text(content), path.parent)
    except KitOpsError as error:
        raise SignatureError(f"trust policy {path}: {error}", advice=error.advice) from error
    except ValueError as error:
        raise SignatureError(f"trust policy {path}: {error}", advice="correct the file") from error


def self_contained(path: Path) -> bytes:
    """Return the text of a policy with every key in it: as it is, or with file names replaced by their keys.

    Raises:
        SignatureError: the file, or what it says, is not a policy.
    """
    import yaml

    read_policy(path)
    content = path.read_bytes()
    value = read_policy_text(content)
    keys = [key for identity in value["identities"] for key in identity["keys"]]
    named = [key for key in keys if "-----BEGIN" not in key["publicKey"]]
    for key in named:
        key["publicKey"] = load_public_key(path.parent / key["publicKey"]).pem

    class Dumper(yaml.SafeDumper):
        """Writes text of several lines as such."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True).encode() if named else content


def _policy(value: Any, folder: Path) -> dict[str, Any]:
    known = {"version", "identities", "rules", "builders", "deny", "repositories"}
    value = _mapping(value, "the policy", known, required={"version", "identities"})
    if type(value["version"]) is not int or value["version"] != _VERSION:
        raise SignatureError(f"version is {value['version']!r}, and {_VERSION} is the only one there is")
    identities = tuple(
        _identity(item, folder, index) for index, item in enumerate(_list(value["identities"], "identities"))
    )
    _check_distinct(identities)
    rules = value.get("rules")
    return {
        "identities": identities,
        "rules": {} if rules is None else _rules(rules),
        "builders": _texts(value.get("builders"), "builders"),
        "deny": frozenset(Digest(text) for text in _texts(value.get("deny"), "deny")),
        "repositories": _texts(value.get("repositories"), "repositories"),
    }


def _identity(value: Any, folder: Path, index: int) -> Identity:
    place = f"identities[{index}]"
    known = {"id", "name", "email", "keys", "roles"}
    value = _mapping(value, place, known, required={"id", "keys", "roles"})
    for member in ("id", "name", "email"):
        if value.get(member) is not None and (not isinstance(value[member], str) or not value[member]):
            raise SignatureError(f"{place}.{member} is not text")
    keys = [
        _key(item, folder, f"{place}.keys[{number}]")
        for number, item in enumerate(_list(value["keys"], f"{place}.keys"))
    ]
    if not keys:
        raise SignatureError(f"{place} has no key", advice="an identity without a key cannot vouch for anything")
    roles = frozenset(_texts(value["roles"], f"{place}.roles"))
    return Identity(value["id"], tuple(keys), roles, value.get("name"), value.get("email"))


def _key(value: Any, folder: Path, place: str) -> TrustedKey:
    value = _mapping(value, place, {"publicKey", "notBefore", "notAfter"}, required={"publicKey"})
    source = value["publicKey"]
    if not isinstance(source, str):
        raise SignatureError(f"{place}.publicKey is not text", advice="give a file name or the PEM text")
    public_key = load_public_key(source if "-----BEGIN" in source else folder / source)
    begin, end = _time(value.get("notBefore")), _time(value.get("notAfter"))
    if begin is not None and end is not None and end < begin:
        raise SignatureError(f"{place} ends before it begins", advice="swap notBefore and notAfter")
    return TrustedKey(public_key, begin, end)


def _time(value: Any) -> datetime | None:
    return None if value is None else parse_timestamp(value)


def _rules(value: Any) -> dict[str, Rule]:
    if not isinstance(value, Mapping):
        raise SignatureError("rules is not a mapping")
    rules: dict[str, Rule] = {}
    for name, item in value.items():
        predicate_type = predicate_types.full_name(name)
        if ":" not in predicate_type or predicate_type in rules:
            raise SignatureError(
                f"rules.{name} is not a predicate type, or is there twice",
                advice=f"use a URI or one of {', '.join(predicate_types.SHORT_NAMES)}",
            )
        rules[predicate_type] = _rule(item, f"rules.{name}")
    return rules


def _rule(value: Any, place: str) -> Rule:
    value = _mapping(value, place, {"roles", "threshold"}, required={"roles"})
    roles, threshold = _texts(value["roles"], f"{place}.roles"), value.get("threshold", 1)
    if not roles:
        raise SignatureError(f"{place}.roles is empty", advice="name at least one role")
    if not isinstance(threshold, int) or isinstance(threshold, bool) or threshold < 1:
        raise SignatureError(f"{place}.threshold is {threshold!r}, not a whole number from 1 up")
    return Rule(frozenset(roles), threshold)


def _check_distinct(identities: tuple[Identity, ...]) -> None:
    ids = [identity.id.casefold() for identity in identities]
    emails = [identity.email.casefold() for identity in identities if identity.email]
    keys = [key.public_key.der for identity in identities for key in identity.keys]
    for what, found in (("an id", ids), ("an email", emails), ("a key", keys)):
        if len(set(found)) != len(found):
            raise SignatureError(
                f"{what} is there twice",
                advice="give one person one identity with all of their keys: two would count as two people",
            )


def _mapping(value: Any, place: str, known: set[str], *, required: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SignatureError(f"{place} is not a mapping")
    unknown, missing = sorted(set(value) - known), sorted(required - set(value))
    if unknown:
        raise SignatureError(
            f"{place} has unknown names: {', '.join(unknown)}", advice=f"known are {', '.join(sorted(known))}"
        )
    if missing:
        raise SignatureError(f"{place} lacks {', '.join(missing)}")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise SignatureError(f"{place} is not a list")
    return value


def _texts(value: Any, place: str) -> tuple[str, ...]:
    items = [] if value is None else _list(value, place)
    if not all(isinstance(item, str) and item for item in items):
        raise SignatureError(f"{place} is not a list of text")
    return tuple(items)
