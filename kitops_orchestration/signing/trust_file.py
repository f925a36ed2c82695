"""Reading ``trust.yaml``: strict, because a misspelt member would silently widen what is trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import KitOpsError, SignatureError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Identity, Rule, TrustedKey
from kitops_orchestration.signing.identity_names import check_names
from kitops_orchestration.signing.keys.public_key import read_public_key
from kitops_orchestration.signing.policy_text import read_policy_text
from kitops_orchestration.signing.timestamps import parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.signing.keyless.identity import CertificateIdentity
    from kitops_orchestration.signing.keyless.verify import TrustedRoot
    from kitops_orchestration.signing.trusted_time.authority import TimeAuthority

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
    keys = [key for identity in value["identities"] for key in identity.get("keys") or ()]
    named = [key for key in keys if "-----BEGIN" not in key["publicKey"]]
    for key in named:
        key["publicKey"] = read_public_key(path.parent / key["publicKey"]).pem
    chains = [item for item in value.get("timestampAuthorities") or [] if "-----BEGIN" not in item["certificates"]]
    for item in chains:
        item["certificates"] = _pem((path.parent / item["certificates"]).read_bytes())

    root = value.get("trustedRoot")
    is_root_named = root is not None and not root.lstrip().startswith("{")
    if is_root_named:
        try:
            value["trustedRoot"] = (path.parent / root).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SignatureError("the trusted root is not text in UTF-8", advice="write it anew") from error

    class Dumper(yaml.SafeDumper):
        """Writes text of several lines as such."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return (
        yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True).encode()
        if named or chains or is_root_named
        else content
    )


def _pem(chain: bytes) -> str:
    """Return the certificates alone: what stands around them in a file may be in any encoding."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    found = x509.load_pem_x509_certificates(chain)
    return "".join(item.public_bytes(Encoding.PEM).decode("ascii") for item in found)


def _policy(value: Any, folder: Path) -> dict[str, Any]:
    known = {
        "version",
        "identities",
        "rules",
        "builders",
        "deny",
        "repositories",
        "allowUnicodeIds",
        "timestampAuthorities",
        "trustedRoot",
    }
    value = _mapping(value, "the policy", known, required={"version", "identities"})
    if type(value["version"]) is not int or value["version"] != _VERSION:
        raise SignatureError(f"version is {value['version']!r}, and {_VERSION} is the only one there is")
    identities = tuple(
        _identity(item, folder, index) for index, item in enumerate(_list(value["identities"], "identities"))
    )
    check_names(identities, is_unicode_allowed=_flag(value, "allowUnicodeIds", "the policy"))
    rules = value.get("rules")
    return {
        "identities": identities,
        "rules": {} if rules is None else _rules(rules),
        "builders": _texts(value.get("builders"), "builders"),
        "deny": frozenset(Digest(text) for text in _texts(value.get("deny"), "deny")),
        "repositories": _texts(value.get("repositories"), "repositories"),
        "time_authorities": _authorities(value.get("timestampAuthorities"), folder),
        "trusted_root": _trusted_root(value.get("trustedRoot"), folder, identities),
    }


def _identity(value: Any, folder: Path, index: int) -> Identity:
    place = f"identities[{index}]"
    named = {"certificateIdentity", "certificateIdentityPattern"}
    known = {"id", "name", "email", "keys", "roles", "issuer", *named}
    is_keyless = isinstance(value, Mapping) and bool(named & set(value))
    value = _mapping(value, place, known, required={"id", "roles"} if is_keyless else {"id", "keys", "roles"})
    for member in ("id", "name", "email"):
        if value.get(member) is not None and (not isinstance(value[member], str) or not value[member]):
            raise SignatureError(f"{place}.{member} is not text")
    keys = [
        _key(item, folder, f"{place}.keys[{number}]")
        for number, item in enumerate(_list(value.get("keys", []), f"{place}.keys"))
    ]
    if not keys and not is_keyless:
        raise SignatureError(f"{place} has no key", advice="an identity without a key cannot vouch for anything")
    roles = frozenset(_texts(value["roles"], f"{place}.roles"))
    certificates = _certificate_identities(value, place)
    return Identity(value["id"], tuple(keys), roles, value.get("name"), value.get("email"), certificates)


def _certificate_identities(value: Mapping[str, Any], place: str) -> tuple[CertificateIdentity, ...]:
    from kitops_orchestration.signing.keyless.identity import CertificateIdentity

    found = []
    for member, is_pattern in (("certificateIdentity", False), ("certificateIdentityPattern", True)):
        if member not in value:
            continue
        for text in (value[member], value.get("issuer")):
            if not isinstance(text, str) or not text:
                raise SignatureError(
                    f"{place}.{member} and issuer are not both text",
                    advice="a name in a certificate is worth what its issuer is: give both",
                )
        if is_pattern:
            _check_pattern(value[member], f"{place}.{member}")
        found.append(CertificateIdentity(value[member], value["issuer"], is_pattern))
    if "issuer" in value and not found:
        raise SignatureError(f"{place}.issuer is of no certificateIdentity", advice="give both, or neither")
    return tuple(found)


def _check_pattern(text: str, place: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise SignatureError(
            f"{place} is no regular expression: {error}", advice="it has to fit the whole name"
        ) from error


def _trusted_root(value: Any, folder: Path, identities: Sequence[Identity]) -> TrustedRoot | None:
    from kitops_orchestration.signing.keyless.verify import TrustedRoot

    if value is None:
        if any(identity.certificates for identity in identities):
            raise SignatureError(
                "certificateIdentity needs a trustedRoot", advice="give Sigstore's trusted_root.json, or your own"
            )
        return None
    if not isinstance(value, str) or not value:
        raise SignatureError("trustedRoot is not text", advice="give a file name, or the JSON text")
    return TrustedRoot.of(_file_or_text(value, "{", folder, "trustedRoot"))


def _key(value: Any, folder: Path, place: str) -> TrustedKey:
    known = {"publicKey", "notBefore", "notAfter", "retired", "compromised"}
    value = _mapping(value, place, known, required={"publicKey"})
    source = value["publicKey"]
    if not isinstance(source, str):
        raise SignatureError(f"{place}.publicKey is not text", advice="give a file name or the PEM text")
    public_key = read_public_key(source if "-----BEGIN" in source else folder / source)
    begin, end = _time(value.get("notBefore")), _time(value.get("notAfter"))
    if begin is not None and end is not None and end < begin:
        raise SignatureError(f"{place} ends before it begins", advice="swap notBefore and notAfter")
    return TrustedKey(
        public_key,
        begin,
        end,
        is_retired=_flag(value, "retired", place),
        is_compromised=_flag(value, "compromised", place),
    )


def _authorities(value: Any, folder: Path) -> tuple[TimeAuthority, ...]:
    if value is None:
        return ()
    found = tuple(
        _authority(item, folder, f"timestampAuthorities[{index}]")
        for index, item in enumerate(_list(value, "timestampAuthorities"))
    )
    if len({item.name for item in found}) != len(found):
        raise SignatureError("two entries of timestampAuthorities have one name", advice="give each its own")
    return found


def _authority(value: Any, folder: Path, place: str) -> TimeAuthority:
    from kitops_orchestration.signing.trusted_time.authority import TimeAuthority

    known = {"name", "url", "certificates", "policy", "notBefore", "notAfter"}
    value = _mapping(value, place, known, required={"name", "certificates"})
    for member in ("name", "url", "certificates", "policy"):
        if value.get(member) is not None and (not isinstance(value[member], str) or not value[member]):
            raise SignatureError(f"{place}.{member} is not text")
    if value.get("url") is not None and not value["url"].startswith(("http://", "https://")):
        raise SignatureError(
            f"{place}.url is not an address", advice="write https://…, or http://…: replies are signed"
        )
    if value.get("url") is not None and "@" in re.split(r"[/?#\\]", value["url"].partition("://")[2])[0]:
        raise SignatureError(
            f"{place}.url has a user or a password in it", advice="a policy is shown: write the address alone"
        )
    begin, end = _time(value.get("notBefore")), _time(value.get("notAfter"))
    if begin is not None and end is not None and end < begin:
        raise SignatureError(f"{place} ends before it begins", advice="swap notBefore and notAfter")
    return TimeAuthority.of(
        _file_or_text(value["certificates"], "-----BEGIN", folder, f"{place}.certificates"),
        name=value["name"],
        url=value.get("url"),
        policy=value.get("policy"),
        not_before=begin,
        not_after=end,
    )


def _file_or_text(source: str, start: str, folder: Path, place: str) -> bytes:
    if source.lstrip().startswith(start):
        return source.encode()
    try:
        return (folder / source).read_bytes()
    except OSError as error:
        raise SignatureError(
            f"cannot read {place} {folder / source}: {error.strerror}",
            advice="give a file, relative to the policy's folder, or the text itself",
        ) from error


def _flag(value: Mapping[str, Any], member: str, place: str) -> bool:
    found = value.get(member, False)
    if not isinstance(found, bool):
        raise SignatureError(f"{place}.{member} is {found!r}, not true or false")
    return found


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
