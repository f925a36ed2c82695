"""The init container: resolve once, verify that digest, unpack that digest.

The environment is that of KitOps' own init image, so manifests carry over: ``MODELKIT_REF``, ``UNPACK_PATH``
(default ``/home/user/modelkit``), ``UNPACK_FILTER`` (default ``model``), ``EXTRA_FLAGS`` and ``COSIGN_KEY``.  Two
arguments, as KServe passes them, win over the first two; ``kit://`` before a reference is taken off.

Unlike a check of a tag followed by an unpack of that tag, nobody can move anything in between here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kitops_orchestration.deploy.kserve import SCHEME
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import InitEnvironment, Limits, init_environment

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.oci.repository import OpenRepository, Repository

DEFAULT_PATH = "/home/user/modelkit"
_FLAGS = {"--ignore-existing": "ignore", "-i": "ignore", "--overwrite": "overwrite", "-o": "overwrite"}


@dataclass(frozen=True, slots=True)
class InitRequest:
    """What the init container is to do."""

    reference: Reference
    target_dir: Path
    filters: tuple[str, ...] = ("model",)
    exists: Literal["error", "overwrite", "ignore"] = "ignore"
    plain_http: bool | None = None
    public_key: str | None = None
    """PEM text, or the path of a file with it; ``None`` unpacks without a signature check."""


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was unpacked, and who had signed it."""

    unpacked: UnpackResult
    signers: tuple[str, ...]


def read_request(arguments: Sequence[str] = (), environment: InitEnvironment | None = None) -> InitRequest:
    """Build the request from arguments and environment.

    Raises:
        KitOpsError: there is no reference, or something that this contract does not know.
    """
    found = environment or init_environment()
    if len(arguments) not in (0, 2):
        raise KitOpsError(
            f"init-container takes no arguments or two, not {len(arguments)}", advice="give a reference and a folder"
        )
    text = arguments[0] if arguments else found.reference
    if not text:
        raise KitOpsError("MODELKIT_REF is not set", advice="set it to registry/repository@sha256:…")
    if found.has_empty_key:
        raise KitOpsError(
            "COSIGN_KEY is set and empty, so the signature would go unchecked",
            advice="check that the Secret has the entry cosign.pub; unset the variable to go without a check",
        )
    if found.wants_keyless:
        raise KitOpsError(
            "COSIGN_CERT_IDENTITY asks for a keyless signature, which needs the transparency log's servers",
            advice="sign with a key and set COSIGN_KEY: that is checked offline",
        )
    exists, plain_http = "ignore", None
    for flag in (found.flags or "").split():
        if flag == "--plain-http":
            plain_http = True
        elif flag in _FLAGS:
            exists = _FLAGS[flag]
        else:
            raise KitOpsError(f"EXTRA_FLAGS has {flag!r}", advice=f"use {', '.join([*_FLAGS, '--plain-http'])}")
    filters = tuple((found.filters or "model").split())
    return InitRequest(
        Reference.parse(text.removeprefix(SCHEME)),
        Path(arguments[1] if arguments else found.path or DEFAULT_PATH),
        filters,
        exists,  # type: ignore[arg-type]  # a value of _FLAGS
        plain_http,
        found.public_key,
    )


def run(
    request: InitRequest,
    open_repository: OpenRepository,
    *,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
) -> InitResult:
    """Do it, in the repository that ``open_repository`` gives; nothing is unpacked when the signature does not verify.

    Raises:
        SignatureMissingError, VerificationError: the key was given and its signature is not there.
    """
    from kitops_orchestration.modelkit.unpack import unpack

    repository = open_repository(request.reference)
    digest = repository.resolve(request.reference.target).digest
    signers = _verify(repository, digest, request.public_key) if request.public_key else ()
    result = unpack(
        repository,
        digest,
        request.target_dir,
        filters=request.filters,
        exists=request.exists,
        open_parent=open_repository,
        limits=limits,
        progress=progress,
    )
    return InitResult(result, signers)


def _verify(repository: Repository, digest: str, key: str) -> tuple[str, ...]:
    from kitops_orchestration.signing.keys import load_public_key
    from kitops_orchestration.signing.verify import verify

    source = key if "BEGIN PUBLIC KEY" in key else Path(key)
    return verify(repository, digest, key=load_public_key(source)).signers
