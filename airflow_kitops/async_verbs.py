"""The hook's verbs for event loops: the connection is fetched without blocking, the work is done in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from kitops_orchestration.client import Copied, KitClient
    from kitops_orchestration.lineage.questions import Lineage
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.modelkit.unpack import UnpackResult
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.signing.verify import VerifyResult


class AsyncVerbs:
    """A part of :class:`~airflow_kitops.hooks.KitOpsHook`; each verb takes and raises what its twin does.

    A task that is cancelled does not stop the thread: set the hook's ``cancel`` event for that.
    """

    async def aget_client(self) -> KitClient:
        """Return the core's client."""
        raise NotImplementedError

    async def aresolve(self, reference: str | Mapping[str, Any]) -> Reference:
        """Return the reference pinned to the digest it has now."""
        result: Reference = await self._run("resolve", reference)
        return result

    async def atags(self, repository: str | Mapping[str, Any]) -> list[str]:
        """List the tags of a repository."""
        result: list[str] = await self._run("tags", repository)
        return result

    async def ainspect(self, reference: str | Mapping[str, Any]) -> ModelKit:
        """Read a ModelKit's manifest and Kitfile."""
        result: ModelKit = await self._run("inspect", reference)
        return result

    async def apack(self, context_dir: Path | str, reference: str | Mapping[str, Any], **options: Any) -> PackResult:
        """Pack a folder into the repository of ``reference``."""
        result: PackResult = await self._run("pack", context_dir, reference, **options)
        return result

    async def aunpack(self, reference: str | Mapping[str, Any], target_dir: Path | str, **options: Any) -> UnpackResult:
        """Unpack a ModelKit, or parts of it, into a folder."""
        result: UnpackResult = await self._run("unpack", reference, target_dir, **options)
        return result

    async def apush(self, source: str | Mapping[str, Any], destination: str, **options: Any) -> Copied:
        """Copy from a folder registry to ``destination``."""
        result: Copied = await self._run("push", source, destination, **options)
        return result

    async def apull(self, source: str | Mapping[str, Any], destination: str, **options: Any) -> Copied:
        """Copy from a registry to the folder registry of ``destination``."""
        result: Copied = await self._run("pull", source, destination, **options)
        return result

    async def averify(self, reference: str | Mapping[str, Any]) -> VerifyResult:
        """Return the verdict when enough signatures count."""
        result: VerifyResult = await self._run("verify", reference)
        return result

    async def alineage(self, reference: str | Mapping[str, Any]) -> Lineage:
        """Answer from the registry alone: data, run, signatures, promotions, deployments."""
        result: Lineage = await self._run("lineage", reference)
        return result

    async def apromote(self, reference: str | Mapping[str, Any], *, stage: str, **options: Any) -> PromotionResult:
        """Move a ModelKit to a stage if the policy's checks pass."""
        result: PromotionResult = await self._run("promote", reference, stage=stage, **options)
        return result

    async def _run(self, verb: str, *args: Any, **options: Any) -> Any:
        await self.aget_client()
        return await asyncio.to_thread(getattr(self, verb), *args, **options)
