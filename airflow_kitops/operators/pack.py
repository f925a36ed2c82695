"""KitPackOperator and KitPackAndPushOperator: a folder becomes a ModelKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.object_storage import local_folder
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kitops_orchestration.modelkit.pack import PackResult


class KitPackOperator(KitProducingOperator):
    """Pack a folder of this worker, or of object storage, into a ModelKit.

    The ModelKit is written straight into ``push_to``: a registry (``ghcr.io/org/model:1.0``), or a folder
    registry (``file:///shared/registry/model:1.0``) that the tasks after this one can reach too.

    :param context_dir: the folder that the Kitfile's paths start from; ``s3://conn@bucket/folder`` is fetched first.
    :param push_to: reference of the ModelKit, with a tag.
    :param kitfile: another Kitfile than ``context_dir``'s own.
    :param extra_tags: more tags for the same digest.
    :param annotations: added to the manifest.
    :param pack_options: more arguments of the core's ``pack``, for example ``{"compression": "zstd"}``.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``size_bytes``, ``uploaded_bytes``, ``layers``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "context_dir",
        "push_to",
        "kitfile",
        "extra_tags",
        "annotations",
    )

    def __init__(
        self,
        *,
        context_dir: str,
        push_to: str,
        kitfile: str | None = None,
        extra_tags: Sequence[str] = (),
        annotations: Mapping[str, str] | None = None,
        pack_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.context_dir = context_dir
        self.push_to = push_to
        self.kitfile = kitfile
        self.extra_tags = extra_tags
        self.annotations = annotations
        self.pack_options = pack_options

    def execute(self, context: Context) -> dict[str, Any]:
        """Pack and return where the ModelKit is."""
        return self.announce(context, results.packed(self._pack()))

    def _pack(self) -> PackResult:
        with local_folder(self.context_dir) as folder:
            return self._warned(self.hook.pack(folder, self.push_to, **self._options()))

    def _options(self) -> dict[str, Any]:
        return {
            "kitfile": Path(self.kitfile) if self.kitfile else None,
            "extra_tags": tuple(self.extra_tags),
            "annotations": self.annotations,
            **(self.pack_options or {}),
        }

    def _warned(self, result: PackResult) -> PackResult:
        for warning in result.warnings:
            self.log.warning("%s", warning)
        return result


class KitPackAndPushOperator(KitPackOperator):
    """Pack straight into a registry, say where it comes from, and sign it: all in one task, the tags last.

    The default where workers share no disk.  The provenance names this DAG, task and run; a retry adds nothing.
    Whoever finds the ModelKit by its tag finds provenance and signature; without them no tag moves.

    :param push_to: reference of the ModelKit in a registry, with a tag.
    :param sign: sign with the connection's key; ``None`` means where there is one.
    :return: as :class:`KitPackOperator`, with ``provenance_digest`` and ``is_signed``.
    """

    def __init__(self, *, sign: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sign = sign

    def execute(self, context: Context) -> dict[str, Any]:
        """Pack, attach the provenance, sign, tag, and return where the ModelKit is."""
        from kitops_orchestration.lineage.provenance import provenance

        is_wanted = self.hook.has_signer if self.sign is None else self.sign
        with local_folder(self.context_dir) as folder:
            published = self.hook.publish(
                folder,
                self.push_to,
                statement=lambda packed: provenance(packed, run_context(context)),
                sign=is_wanted,
                **self._options(),
            )
        statement = published.provenance
        facts = {
            "provenance_digest": str(statement.descriptor.digest) if statement else None,
            "is_signed": published.signature is not None,
        }
        return self.announce(context, {**results.packed(self._warned(published.pack)), **facts})
