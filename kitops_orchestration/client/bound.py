"""Bound: everything that is true of the caller, said once and used by every verb."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from kitops_orchestration.client.verb import Around, handed_over, verb
from kitops_orchestration.errors import InvalidReferenceError, KitOpsError, SigningKeyMissingError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.elsewhere import Elsewhere
    from kitops_orchestration.lineage.answers.witnessed import Witnessed
    from kitops_orchestration.lineage.statements import Promotion
    from kitops_orchestration.lineage.statements.recorded import Recorded
    from kitops_orchestration.modelkit.packing.gate import GateRules
    from kitops_orchestration.oci.auth.credentials import CredentialSource
    from kitops_orchestration.oci.http.tls import RegistryOptions, TlsOptions
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.oci.transfer.checkpoint import Checkpoint
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory
    from kitops_orchestration.signing.keys import PublicKey, Signer
    from kitops_orchestration.signing.trust import TrustPolicy

T = TypeVar("T")
Lazy: TypeAlias = T | Callable[[], T | None] | None
"""A value, or a function that gets it when a verb first needs it, or nothing."""

Named = str | Reference | Mapping[str, Any]
"""What names a ModelKit: text, a reference, or an answer of a verb as a mapping that has a ``reference``."""


class _StageTags:
    """The guard of every repository that a client opens; what it asks is read when a tag has an anchor only."""

    def check(self, repository: Any, tag: str) -> None:
        from kitops_orchestration.promotion.stage_tag.guard import require_free

        require_free(repository, tag)


_STAGE_TAGS = _StageTags()
_OF_OTHERS: Mapping[str, Any] = {"retries": 1, "connect_timeout_seconds": 5.0, "retry_budget_seconds": 5.0}
"""Limits for repositories that only a statement names: an answer does not wait minutes for one that is gone."""


class Bound:
    """Completes references, opens repositories, and hands over what is bound; may be shared by threads."""

    def __init__(
        self,
        registry: str | None = None,
        *,
        namespace: str | None = None,
        credentials: CredentialSource | None = None,
        plain_http: bool | None = None,
        tls: TlsOptions | None = None,
        proxy: str | None = None,
        registries: Mapping[str, RegistryOptions] | None = None,
        limits: Limits | None = None,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        checkpoint: Checkpoint | None = None,
        signer: Lazy[Signer] = None,
        trust: Lazy[TrustPolicy] = None,
        key: Lazy[PublicKey] = None,
        gate_rules: GateRules | None = None,
        memory: CheckpointMemory | None = None,
        around: Around | None = None,
    ) -> None:
        self.registry = registry.rstrip("/") if registry else None
        self.namespace = (namespace or "").strip("/") or None
        self.limits = limits or Limits()
        self.cancel = cancel
        self.around = around
        self._credentials = credentials
        self._plain_http = plain_http
        self._tls = tls
        self._proxy = proxy
        self._registries = dict(registries or {})
        self._progress = progress
        self._checkpoint = checkpoint
        self._signer = signer
        self._trust = trust
        self._key = key
        self._gate_rules = gate_rules
        self._memory = memory
        self._once: Callable[[Repository], Repository] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.registry!r})"

    @cached_property
    def signer(self) -> Signer | None:
        """What signs in the caller's name."""
        return _value(self._signer)

    @cached_property
    def trust(self) -> TrustPolicy | None:
        """Whose signatures count; a verb that reads evidence judges by it."""
        return _value(self._trust)

    @cached_property
    def key(self) -> PublicKey | None:
        """The key that ``verify`` asks for where there is no trust policy."""
        return _value(self._key)

    @cached_property
    def bare(self) -> Self:
        """The same client with nobody around its verbs: they raise the core's own errors."""
        return self if self.around is None else self.standing_in(None)

    def standing_in(self, around: Around | None) -> Self:
        """Return the same client with ``around`` standing around its verbs."""
        other = copy.copy(self)
        other.__dict__.pop("bare", None)
        other.around = around
        return other

    def with_limits(self, **changes: Any) -> Self:
        """Return the same client with some of its limits changed, as :func:`dataclasses.replace` takes them."""
        other = copy.copy(self)
        other.__dict__.pop("bare", None)
        other.limits = replace(self.limits, **changes)
        return other

    def reading_once(self, once: Callable[[Repository], Repository]) -> Self:
        """Return the same client, whose repositories are what ``once`` makes of them: for many answers in one run."""
        other = copy.copy(self.bare)
        other.__dict__.pop("bare", None)
        other._once = once
        return other

    def with_credentials(self, credentials: CredentialSource) -> Self:
        """Return the same client with other credentials."""
        other = copy.copy(self)
        other.__dict__.pop("bare", None)
        other._credentials = credentials
        return other

    def reference(self, named: Named) -> Reference:
        """Return what a text names, or the answer of another verb.

        One that names no registry is completed with the client's registry and namespace.

        Raises:
            InvalidReferenceError: the text is outside the grammar, or the mapping has no ``reference``.
        """
        if isinstance(named, Reference):
            return named
        text = _text_of(named) if isinstance(named, Mapping) else named
        try:
            return Reference.parse(text)
        except InvalidReferenceError:
            found = Reference.parse(text, registry=self.registry)  # raises where more is wrong than a missing registry
        return Reference.parse(f"{self.namespace}/{text}", registry=self.registry) if self.namespace else found

    def repository(self, reference: Named) -> Repository:
        """Open the repository that a reference names; no request is made yet."""
        opened = self._open(self.reference(reference).without_target(), insecure=None, limits=self.limits)
        return opened if self._once is None else self._once(opened)

    def pulled_from(self, reference: Named) -> Repository:
        """Open what a ModelKit is taken out of; no request is made yet.

        That is the repository that the reference names, or where ``registries.conf`` leads: tags and content come from
        mirrors first, evidence and lists of tags from the location.
        """
        from kitops_orchestration.oci.schemes import open_to_pull

        opened = open_to_pull(self.reference(reference), open_place=self._open, limits=self.limits)
        return opened if self._once is None else self._once(opened)

    def _open(self, where: Reference, *, insecure: bool | None, limits: Limits) -> Repository:
        from kitops_orchestration.oci.schemes import open_repository

        own = self._registries.get(where.registry)
        return open_repository(
            where,
            credentials=self._credentials,
            plain_http=self._plain_http if own is None else own.plain_http,
            tls=self._tls if own is None else own.tls,
            limits=limits,
            proxy=self._proxy if own is None else own.proxy,
            checkpoint=self._checkpoint,
            guard=_STAGE_TAGS,
            insecure=insecure,
        )

    @verb()
    def resolve(self, reference: Named) -> Reference:
        """Return the reference pinned by the digest that it points at now."""
        where = self.reference(reference)
        return where.with_digest(self.repository(where).resolve(where.target).digest)

    def required_signer(self, what: Reference) -> Signer:
        """Return the bound signer, for what has to be signed.

        Raises:
            SigningKeyMissingError: there is none.
        """
        if self.signer is None:
            raise SigningKeyMissingError(
                f"cannot sign {what}: there is no key",
                advice="give the private key to sign with",
            )
        return self.signer

    def _hand(self, core: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        """Return the arguments by name of a core function: those given, and those that are bound."""
        bound: dict[str, Callable[[], Any]] = {
            "limits": lambda: self.limits,
            "progress": lambda: self._progress,
            "cancel": lambda: self.cancel,
            "signer": lambda: self.signer,
            "trust": lambda: self.trust,
            "gate_rules": lambda: self._rules(None),
            "memory": lambda: self._memory,
            "open_parent": lambda: self.pulled_from,
            "open_repository": lambda: self.repository,
            "elsewhere": self._elsewhere,
            "witnessed": lambda: self._witnessed,
        }
        if given.get("gate_rules") is not None:
            given = {**given, "gate_rules": self._rules(given["gate_rules"])}
        told = handed_over(core, bound, given)
        if told.get("signer") is not None:
            told["signer"] = self._stamping(told["signer"], told.get("trust"))
        return told

    def _witnessed(
        self, repository: Repository, digest: str, trust: TrustPolicy, promotions: Sequence[Recorded[Promotion]]
    ) -> Sequence[Witnessed]:
        """Ask the checkpoints of a repository about a version."""
        from kitops_orchestration.promotion.checkpoint.witnessed import witnessed

        return witnessed(repository, digest, trust, promotions, memory=self._memory, limits=self.limits)

    def _stamping(self, signer: Signer, trust: TrustPolicy | None) -> Signer:
        """Return the signer with a time-stamp on each signature, where the trust policy names whom to ask."""
        policy = trust or self.trust
        if policy is None or not policy.time_authorities:
            return signer
        from kitops_orchestration.signing.trusted_time.stamping import stamped

        return stamped(signer, policy.time_authorities)

    def _rules(self, wish: GateRules | Mapping[str, Any] | None) -> GateRules:
        """Return what may leave a folder: the bound rules, and what a call wishes as far as they let it.

        Options of an orchestrator's task come as JSON, and so may a wish.
        """
        from kitops_orchestration.modelkit.packing.gate import GateRules

        return (self._gate_rules or GateRules()).narrowed(None if wish is None else GateRules.of(wish))

    def _elsewhere(self) -> Elsewhere:
        """Return the way to the repositories that statements name."""
        from kitops_orchestration.lineage.answers.elsewhere import Elsewhere

        return Elsewhere(self.repository, self._reach)

    def _reach(self, reference: Reference) -> Repository | None:
        """Open a repository of another registry, if that is the client's own or one that it has credentials for."""
        if self._is_own(reference):
            return self.repository(reference)
        return self.with_limits(**_OF_OTHERS).repository(reference) if self._has_credentials(reference) else None

    def _is_own(self, reference: Reference) -> bool:
        own = self.registry
        return own is not None and (reference.registry == own or reference.name.startswith(f"{own}/"))

    def _has_credentials(self, reference: Reference) -> bool:
        from kitops_orchestration.oci.auth.credentials import DockerConfig

        if reference.is_folder:
            return False
        try:
            return (self._credentials or DockerConfig()).lookup(reference) is not None
        except KitOpsError:
            return False  # an answer is not lost because a credential helper is


def _value(lazy: Lazy[T]) -> T | None:
    return lazy() if callable(lazy) else lazy


def _text_of(answer: Mapping[str, Any]) -> str:
    text = answer.get("reference")
    if isinstance(text, str):
        return text
    raise InvalidReferenceError(
        f"a mapping without a reference: it has {', '.join(map(str, answer)) or 'nothing'}",
        advice="hand over an answer that has a reference, or the reference as text",
    )
