"""The verbs for whoever runs a ModelKit elsewhere, and the keys that vouch for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from kitops_orchestration.client.bound import Bound, Named
from kitops_orchestration.client.verb import verb

if TYPE_CHECKING:
    from kitops_orchestration.deploy.entrypoint import InitRequest, InitResult
    from kitops_orchestration.deploy.manifests import DeployOptions, Target
    from kitops_orchestration.signing.keys import KeyFormat, KeyPair, PublicKey, Signer
    from kitops_orchestration.signing.keys.kinds import KeyKind


class DeploymentVerbs(Bound):
    """Write manifests, fetch for a container that starts next, make keys."""

    @verb()
    def deploy(self, reference: Named, target: Target, **options: Unpack[DeployOptions]) -> dict[str, Any] | str:
        """Return what another system needs to run a ModelKit, pinned to the digest that it has now.

        ``options`` are those of :func:`kitops_orchestration.deploy.manifests.manifest_for`.
        """
        from kitops_orchestration.deploy.manifests import manifest_for

        return manifest_for(self.resolve(reference), target, **options)

    @verb()
    def init_container(self, request: InitRequest) -> InitResult:
        """Fetch a ModelKit for the container that starts next: resolve once, verify, unpack.

        Raises:
            SignatureMissingError, VerificationError: a key was given and its signature is not there.
        """
        from kitops_orchestration.deploy.entrypoint import run

        return run(request, self.pulled_from, **self._hand(run, {}))

    @verb()
    def keygen(
        self, password: str | None = None, *, key_format: KeyFormat = "cosign", kind: KeyKind = "p256"
    ) -> KeyPair:
        """Make a key pair to sign with; it is returned and not written."""
        from kitops_orchestration.signing.keys import generate_key_pair

        return generate_key_pair(password, key_format=key_format, kind=kind)

    @verb()
    def public_key(self, signer: Signer | None = None) -> PublicKey:
        """Return the public half of a key, for trust policies and verifiers: of ``signer``, else of the client's.

        Raises:
            SigningKeyMissingError: neither is there.
        """
        from kitops_orchestration.errors import SigningKeyMissingError

        by = signer or self.signer
        if by is None:
            raise SigningKeyMissingError("there is no key whose public half could be told", advice="give a key")
        return by.public_key
