"""The whole error tree of the core, and the way down it. Nothing here imports anything of ours.

*What* happened is the class, *where* is in the fields, *what to do now* is ``advice``.  ``transient``
tells an orchestrator whether the same call may succeed later::

    KitOpsError
    ├── InvalidReferenceError (ValueError)
    ├── OptionError (ValueError)
    ├── KitfileError (ValueError)              .path .field
    ├── ModelKitError
    │   ├── GateRefusedError                   .findings
    │   ├── UnsafePathError
    │   └── UnsupportedModelKitError
    ├── RegistryError                          .operation .reference .side
    │   ├── RegistryUnavailableError           transient
    │   ├── AuthenticationError
    │   │   └── AccessDeniedError
    │   ├── NotFoundError (LookupError)
    │   └── RegistryResponseError              .status .codes
    ├── IntegrityError
    │   ├── DigestMismatchError
    │   └── SizeMismatchError
    ├── TransferCancelledError
    ├── RunExportError
    │   └── TrackingUnavailableError           transient
    ├── SignatureError
    │   ├── SigningKeyMissingError
    │   ├── SigningServiceUnavailableError     transient
    │   ├── SignatureMissingError
    │   └── VerificationError
    ├── PromotionError
    │   ├── CheckFailedError                   .failed_checks
    │   ├── ApprovalMissingError
    │   ├── TagMovedError                      .expected .found
    │   └── TagOwnedError
    └── MissingExtraError (ImportError)        .extra
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

Side = Literal["source", "destination"]


class KitOpsError(Exception):
    """Root of every error this package raises on purpose.

    ``str(error)`` says what failed and on which reference; ``advice`` says what to do about it.
    """

    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        super().__init__(message)
        self.advice = advice

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt by calling the class with `args`; ours also take keywords, so the fields
        # travel by themselves. Orchestrators hand errors from one process to another.
        return _restore, (type(self), self.args, dict(vars(self)))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and, one after the other, what it came from: each once, also where a chain leads back to itself.

    >>> [type(cause).__name__ for cause in causes(KitOpsError("nothing was packed"))]
    ['KitOpsError']
    """
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _restore(error_class: type[KitOpsError], args: tuple[Any, ...], fields: dict[str, Any]) -> KitOpsError:
    error = error_class.__new__(error_class, *args)
    error.args = args
    vars(error).update(fields)
    return error


class InvalidReferenceError(KitOpsError, ValueError):
    """A text is not a reference, repository, tag or digest by the specification's grammar."""


class OptionError(KitOpsError, ValueError):
    """An option that the verb does not take, or a value that is not what it takes; the message names both."""


class KitfileError(KitOpsError, ValueError):
    """A Kitfile cannot be read or is not valid.

    ``path`` is the file (or ``None`` for text), ``field`` the dotted place inside it.
    """

    def __init__(
        self, message: str, *, path: str | None = None, field: str | None = None, advice: str | None = None
    ) -> None:
        super().__init__(message, advice=advice)
        self.path = path
        self.field = field


class ModelKitError(KitOpsError):
    """A ModelKit, its manifest or its layers are not what the format says."""


class UnsafePathError(ModelKitError):
    """An archive member, or a path in a Kitfile, leaves the directory it belongs to."""


class GateRefusedError(ModelKitError):
    """A folder holds what should not leave: secrets, or files that are not what they say; nothing was sent.

    ``findings`` has one object for each reason: path, line, rule, kind and fingerprint, and never a secret's value.
    """

    def __init__(
        self, message: str, *, findings: list[dict[str, Any]] | None = None, advice: str | None = None
    ) -> None:
        super().__init__(message, advice=advice)
        self.findings = findings or []


class UnsupportedModelKitError(ModelKitError):
    """A media type or format version that this release does not understand."""


class RegistryError(KitOpsError):
    """A repository, remote or local, did not do what was asked.

    ``operation`` is the verb ("push blob"), ``reference`` the object, ``side`` the end of a copy.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        reference: str | None = None,
        side: Side | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message, advice=advice)
        self.operation = operation
        self.reference = reference
        self.side = side


class RegistryUnavailableError(RegistryError):
    """Network failure, 5xx or 429 that outlived its retries; the same call may succeed later."""

    transient = True

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.retry_after_seconds = retry_after_seconds


class AuthenticationError(RegistryError):
    """The registry did not accept the credentials, or wanted some and got none."""


class AccessDeniedError(AuthenticationError):
    """The credentials are good, but not for this operation."""


class NotFoundError(RegistryError, LookupError):
    """The reference, blob or repository does not exist; ``codes`` are the specification's, if any was said."""

    def __init__(self, message: str, *, codes: tuple[str, ...] = (), **where: Any) -> None:
        super().__init__(message, **where)
        self.codes = codes


class RegistryResponseError(RegistryError):
    """The registry answered with an error of its own: ``status`` (HTTP) and ``codes`` (the specification's)."""

    def __init__(self, message: str, *, status: int | None = None, codes: tuple[str, ...] = (), **where: Any) -> None:
        super().__init__(message, **where)
        self.status = status
        self.codes = codes


class IntegrityError(KitOpsError):
    """Bytes are not the bytes that were promised."""


class DigestMismatchError(IntegrityError):
    """Content hashes to another digest than its descriptor says."""


class SizeMismatchError(IntegrityError):
    """Content is longer or shorter than its descriptor says."""


class TransferCancelledError(KitOpsError):
    """The caller asked for a stop; nothing half-written was left."""


class RunExportError(KitOpsError):
    """An MLflow run, logged model or registered version cannot become a ModelKit."""


class TrackingUnavailableError(RunExportError):
    """The tracking server or its artifact store does not answer; the same call may succeed later."""

    transient = True


class SignatureError(KitOpsError):
    """Root of what can go wrong with signatures and keys."""


class SigningKeyMissingError(SignatureError):
    """Something has to be signed, and nobody gave the key; an adapter's advice says where it takes one from."""


class SigningServiceUnavailableError(SignatureError):
    """A key service or a time-stamp authority does not answer; the same call may succeed later."""

    transient = True


class SignatureMissingError(SignatureError):
    """No signature that could count was found."""


class VerificationError(SignatureError):
    """A signature is there and does not verify, or nobody trusted made it."""


class PromotionError(KitOpsError):
    """A ModelKit may not move to a stage, or the move failed."""


class CheckFailedError(PromotionError):
    """At least one check of the promotion policy is red; ``failed_checks`` holds them."""

    def __init__(self, message: str, *, failed_checks: tuple[Any, ...] = (), advice: str | None = None) -> None:
        super().__init__(message, advice=advice)
        self.failed_checks = failed_checks


class ApprovalMissingError(PromotionError):
    """The policy demands approvals that the registry does not hold."""


class TagMovedError(PromotionError):
    """A tag no longer points where the plan saw it: ``expected`` and ``found`` are digests or ``None``."""

    def __init__(
        self, message: str, *, expected: str | None = None, found: str | None = None, advice: str | None = None
    ) -> None:
        super().__init__(message, advice=advice)
        self.expected = expected
        self.found = found


class TagOwnedError(PromotionError):
    """The tag is that of a policy's stage, and its promotion alone moves it."""


class MissingExtraError(KitOpsError, ImportError):
    """An optional dependency is not installed; ``extra`` is the name to install."""

    def __init__(self, message: str, *, extra: str) -> None:
        super().__init__(message, advice=f"pip install 'kitops-orchestration[{extra}]'")
        self.extra = extra
