"""What packing and checking need of a registry: the part of ``KitOpsResource`` that they use.

The resource publishes by means of :mod:`dagster_kitops.assets.publish`; so what is below it knows this
protocol, and not the resource itself.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy
    from kitops_orchestration.signing.verify import VerifyResult


class RegistryAccess(Protocol):
    """A registry with its client, keys and scratch directories; :class:`~dagster_kitops.KitOpsResource` is one."""

    @property
    def attach_provenance(self) -> bool:
        """Whether new ModelKits get a statement on how they were made."""
        ...

    def get_client(self) -> KitClient:
        """Return the core's client."""
        ...

    def get_signer(self) -> Signer | None:
        """Return the key that signs; ``None`` where none is configured."""
        ...

    def required_signer(self, reference: Reference) -> Signer:
        """Return the key that signs, for what has to be signed."""
        ...

    def get_trust(self) -> TrustPolicy | None:
        """Return whose signatures count; ``None`` where nobody is named."""
        ...

    def check_signatures(self, reference: Reference) -> VerifyResult:
        """Return the verdict on the signatures of ``reference``."""
        ...

    def reference(self, text: str | Reference) -> Reference:
        """Return ``text`` as a reference, completed by registry and namespace."""
        ...

    def place(self, repository: str) -> Reference:
        """Return where a ModelKit goes, as a reference without tag."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """Give a directory of the step's own; it is gone afterwards."""
        ...
