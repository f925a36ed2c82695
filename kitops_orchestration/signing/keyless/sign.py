"""Sign keyless, where the environment has an identity: in a workflow of GitHub or GitLab, or others the library knows.

Fulcio gives a certificate for ten minutes, Rekor logs the entry, both by Sigstore's own library.  Which services, and
whose roots, is in a client trust configuration, a file; the public instance is never asked unless the file names it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.errors import (
    KitOpsError,
    MissingExtraError,
    SignatureError,
    SigningKeyMissingError,
    SigningServiceUnavailableError,
    VerificationError,
)
from kitops_orchestration.signing.bundle import Bundle
from kitops_orchestration.signing.keyless.verify import TrustedRoot, prove

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys import PublicKey
    from kitops_orchestration.signing.statement import Statement

PREFIX = "keyless:"
_ADVICE = "give Sigstore's client trust configuration: trusted root and signing configuration in one JSON file"


class KeylessSigner:
    """Signs whole bundles as the workflow that this runs in; there is no key that anybody could keep."""

    def __init__(self, config: Any, root: TrustedRoot) -> None:
        self._config = config
        self._root = root

    @classmethod
    def of(cls, path: Path | str) -> Self:
        """Read a client trust configuration.

        Raises:
            SignatureError: the file cannot be read, or is something else.
            MissingExtraError: the extra ``sigstore`` is not installed.
        """
        try:
            from sigstore.models import ClientTrustConfig
        except ImportError as error:
            raise MissingExtraError("keyless signatures need the sigstore package", extra="sigstore") from error
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise SignatureError(f"cannot read the client trust configuration {path}", advice=_ADVICE) from error
        try:
            root = TrustedRoot.of(json.dumps(json.loads(text)["trustedRoot"]).encode())
            return cls(ClientTrustConfig.from_json(text), root)
        except KitOpsError:
            raise
        except Exception as error:  # the library's errors, and those of pydantic, have no common root
            raise SignatureError(f"{path} is no client trust configuration", advice=_ADVICE) from error

    @property
    def public_key(self) -> PublicKey:
        """There is none that would hold: each signature has its own."""
        raise SignatureError(
            "a keyless signer has no key of its own, and this needs one", advice="let a person decide, with a key"
        )

    def sign(self, _data: bytes) -> bytes:
        """Bare signatures prove nothing without their certificate."""
        raise SignatureError("a keyless signer signs whole statements alone", advice="write the bundle form")

    def signs_as(self) -> str:
        """Return who signs: the identity and its issuer."""
        token = self._token()
        return f"{token.identity} by {token.federated_issuer}"

    def bundle(self, statement: Statement) -> bytes:
        """Return a bundle around ``statement``, verified with the trusted root.

        Raises:
            SigningKeyMissingError: there is no ambient identity.
            SigningServiceUnavailableError: Fulcio or Rekor does not answer.
            SignatureError: one of them refuses, or what they made does not verify.
        """
        from sigstore.sign import SigningContext

        token = self._token()
        try:
            with SigningContext.from_trust_config(self._config).signer(token) as signer:
                made: bytes = signer.sign_dsse(_as_written(statement)).to_json().encode()
        except OSError as error:  # what requests raises where nobody answers
            raise SigningServiceUnavailableError(
                "Fulcio or Rekor does not answer", advice="try again; which are asked is in the configuration"
            ) from error
        except Exception as error:  # the library's clients have no common root
            reason = str(error).strip() or type(error).__name__
            raise SignatureError(f"signing keyless failed: {reason[:200]}", advice="check the configuration") from error
        if not self.made(Bundle.parse(made)):
            raise SignatureError("what Fulcio and Rekor made does not verify with the trusted root", advice=_ADVICE)
        return made

    def made(self, bundle: Bundle) -> bool:
        """Tell whether the same identity made a bundle, verified with the trusted root."""
        if bundle.certificate is None:
            return False
        token = self._token()
        try:
            proof = prove(bundle, self._root)
        except VerificationError:
            return False
        return token.identity in proof.names and token.federated_issuer == proof.issuer

    def _token(self) -> Any:
        from sigstore.oidc import IdentityError, IdentityToken, detect_credential

        try:
            raw = detect_credential()
            token = None if raw is None else IdentityToken(raw)
        except IdentityError as error:
            raise SignatureError(
                "the identity of this workflow cannot be had", advice="in GitHub: permissions: {id-token: write}"
            ) from error
        if token is None:
            raise SigningKeyMissingError(
                "there is no identity to sign with: this runs in no workflow that has one",
                advice="in GitHub: permissions: {id-token: write}; in GitLab: an id_token named SIGSTORE_ID_TOKEN",
            )
        return token

    def __repr__(self) -> str:
        return "KeylessSigner()"


def _as_written(statement: Statement) -> Any:
    """Return the statement as the library's: it demands a name of each subject, which in-toto does not."""
    from sigstore.dsse import Statement as Theirs

    class AsWritten(Theirs):  # type: ignore[misc] # the library is skipped by the type checker
        def __init__(self, contents: bytes) -> None:
            self._contents = contents

    return AsWritten(statement.content)
