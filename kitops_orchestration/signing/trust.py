"""The trust policy: which keys belong to whom, and what each of them may vouch for.

A policy is a file that the verifier holds, never something that travels with what is verified::

    version: 1
    identities:
      - id: ada@example.com
        name: Ada
        roles: [releaser, approver]
        keys: [{publicKey: ada.pub, notAfter: 2027-01-01}]
      - id: train
        roles: [builder]
        certificateIdentity: "https://github.com/team/iris/.github/workflows/train.yml@refs/heads/main"
        issuer: "https://token.actions.githubusercontent.com"
    rules:
      signature: {roles: [releaser], threshold: 1}
      approval: {roles: [approver], threshold: 2}
    builders: ["https://airflow.example.com/*"]
    deny: ["sha256:…"]
    repositories: ["registry.example.com/models/*"]
    timestampAuthorities: [{name: company, url: "https://tsa.example.com", certificates: tsa-chain.pem}]
    trustedRoot: trusted_root.json

Everything fails closed: a name the format does not know is an error, a predicate type without a rule counts for
nothing, and two keys of one identity are one voice.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Identity, Rule, TrustedKey
from kitops_orchestration.signing.timestamps import format_timestamp, now
from kitops_orchestration.signing.trust_file import read_policy

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.signing.keyless.verify import CertificateProof, TrustedRoot
    from kitops_orchestration.signing.keys import PublicKey
    from kitops_orchestration.signing.trusted_time.authority import TimeAuthority


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy says of one signature."""

    counts: bool
    reason: str
    identity: Identity | None = None
    key: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Identities, rules, and what is refused whatever is signed."""

    identities: tuple[Identity, ...]
    rules: Mapping[str, Rule] = field(default_factory=dict, hash=False)
    """Predicate type to rule."""
    builders: tuple[str, ...] = ()
    """Patterns of builder ids that provenance may name; empty means any."""
    deny: frozenset[str] = frozenset()
    """Digests that never verify: the way to withdraw a ModelKit that nobody can hide from a verifier."""
    repositories: tuple[str, ...] = ()
    """Patterns of ``registry/repository`` that the policy is for; empty means any."""
    time_authorities: tuple[TimeAuthority, ...] = ()
    """Whose time-stamps are believed."""
    trusted_root: TrustedRoot | None = None
    """Whose certificates and logs are believed, for keyless signatures."""
    is_role_free: bool = False
    """True for the policy that one bare key makes: it may vouch for anything."""

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read ``trust.yaml``; key paths in it are relative to its folder.

        Raises:
            SignatureError: the file, or what it says, is not a policy; the message names the place.
        """
        return cls(**read_policy(Path(path)))

    @classmethod
    def for_key(cls, *keys: PublicKey) -> Self:
        """Return the policy that trusts these keys, each as an identity, for everything."""
        identities = tuple(Identity(key.fingerprint, (TrustedKey(key),), frozenset()) for key in keys)
        return cls(identities, is_role_free=True)

    @property
    def digest(self) -> Digest:
        """Digest of what the policy says once its key files are read: the same wherever the files lie."""
        return Digest.of(json.dumps(_resolved(self), sort_keys=True).encode())

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """All keys of all identities."""
        return tuple(key.public_key for identity in self.identities for key in identity.keys)

    def roles_of(self, identity_id: str | None) -> frozenset[str]:
        """Return the roles of an identity; nobody has none."""
        return next((item.roles for item in self.identities if item.id == identity_id), frozenset())

    def rule(self, predicate_type: str) -> Rule | None:
        """Return the rule for a predicate type: the policy's own, else the default role, else ``None``."""
        found = self.rules.get(predicate_type)
        if found is not None:
            return found
        role = predicate_types.DEFAULT_ROLES.get(predicate_type)
        return None if role is None else Rule(frozenset({role}))

    def why_refused(self, digest: str, repository: Reference | None = None) -> str | None:
        """Return why nothing about ``digest`` in ``repository`` can count, or ``None``."""
        if digest in self.deny:
            return f"the trust policy denies {digest}"
        if repository is not None and self.repositories and not _matches(self.repositories, repository.name):
            return f"the trust policy is not for {repository.name}"
        return None

    def accepts_builder(self, builder_id: str | None) -> bool:
        """Tell whether provenance may name this builder."""
        return not self.builders or (builder_id is not None and _matches(self.builders, builder_id))

    def judge(
        self,
        key: PublicKey | None,
        predicate_type: str,
        *,
        at: datetime | None = None,
        claimed: datetime | None = None,
        proven: datetime | None = None,
    ) -> Judgement:
        """Say whether a signature that verifies with ``key`` counts for ``predicate_type``.

        The key has to be valid at the ``proven`` time of the signature; where nothing proves one, ``at`` the time of
        verification (now, unless an auditor asks for another), because a signature cannot prove by itself that it is
        older than its key's end.  ``claimed`` is the time that the signed text gives itself; it must lie in the key's
        window as well.
        """
        owner = None if key is None else self._owner(key)
        if owner is None or key is None:
            return Judgement(False, "no key of the trust policy made this signature")
        identity, trusted = owner
        if trusted.is_compromised:
            # Without its owner: nobody can rest on it, neither for a "yes" nor for a "no".
            return Judgement(False, f"the key of {identity.shown} is marked as compromised")
        for moment in (proven or at or now(), claimed):
            problem = None if moment is None else trusted.why_not(moment)
            if problem:
                return Judgement(False, f"{problem} ({identity.shown})", identity, key)
        problem = self._why_not_role(identity, predicate_type)
        if problem:
            return Judgement(False, problem, identity, key)
        return Judgement(True, f"signed by {identity.shown}", identity, key)

    def judge_certificate(self, proof: CertificateProof, predicate_type: str) -> Judgement:
        """Say whether a keyless signature counts for ``predicate_type``: by whom its certificate names.

        A certificate that fits two identities counts for neither: nobody could say whose voice it is.
        """
        found = [
            identity
            for identity in self.identities
            if any(item.fits(proof.names, proof.issuer) for item in identity.certificates)
        ]
        said = f"{' or '.join(proof.names) or 'nobody'}, by {proof.issuer}"
        if len(found) != 1:
            who = "several identities" if found else "nobody"
            return Judgement(False, f"{who} in the trust policy is {said}")
        problem = self._why_not_role(found[0], predicate_type)
        if problem:
            return Judgement(False, problem, found[0])
        return Judgement(True, f"signed by {found[0].shown}, keyless, proven by {proof.how}", found[0])

    def _why_not_role(self, identity: Identity, predicate_type: str) -> str | None:
        if self.is_role_free:
            return None
        rule, name = self.rule(predicate_type), predicate_types.short_name(predicate_type)
        if rule is None:
            return f"the trust policy has no rule for {name}"
        if not identity.roles & rule.roles:
            return f"{identity.shown} has no role for {name}: {' or '.join(sorted(rule.roles))} is needed"
        return None

    def _owner(self, key: PublicKey) -> tuple[Identity, TrustedKey] | None:
        for identity in self.identities:
            for trusted in identity.keys:
                if trusted.public_key == key:
                    return identity, trusted
        return None


def _resolved(policy: TrustPolicy) -> dict[str, Any]:
    return {
        "identities": sorted(
            (
                [
                    identity.id,
                    identity.email,
                    sorted(identity.roles),
                    sorted([hashlib.sha256(key.public_key.der).hexdigest(), *key.window] for key in identity.keys),
                ]
                for identity in policy.identities
            ),
            key=str,
        ),
        "rules": {name: [sorted(rule.roles), rule.threshold] for name, rule in policy.rules.items()},
        "builders": sorted(policy.builders),
        "deny": sorted(policy.deny),
        "repositories": sorted(policy.repositories),
        "roleFree": policy.is_role_free,
        **_resolved_keyless(policy),
        **({"timestampAuthorities": _resolved_authorities(policy)} if policy.time_authorities else {}),
    }


def _resolved_keyless(policy: TrustPolicy) -> dict[str, Any]:
    if policy.trusted_root is None:
        return {}
    names = [
        [identity.id, item.name, item.issuer, item.is_pattern]
        for identity in policy.identities
        for item in identity.certificates
    ]
    return {"trustedRoot": Digest.of(policy.trusted_root.content), "certificateIdentities": sorted(names, key=str)}


def _resolved_authorities(policy: TrustPolicy) -> list[Any]:
    listed = [
        [
            item.name,
            item.policy,
            *(None if bound is None else format_timestamp(bound) for bound in (item.not_before, item.not_after)),
            item.fingerprints,
        ]
        for item in policy.time_authorities
    ]
    return sorted(listed, key=str)


def _matches(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)
