"""KitPackOperator and KitPackAndPushOperator: a folder becomes a ModelKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.given_options import check_options, rendered_options
from airflow_kitops.object_storage import local_folder
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.rendered import optional_text, text_map, texts
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.signing.statement import Statement


_OWN_OPTIONS = ("kitfile", "extra_tags", "annotations")


class KitPackOperator(KitProducingOperator):
    """Pack a folder of this worker, or of object storage, into a ModelKit.

    The ModelKit is written straight into ``push_to``: a registry (``ghcr.io/org/model:1.0``), or a folder
    registry (``file:///shared/registry/model:1.0``) that the tasks after this one can reach too.

    :param context_dir: the folder that the Kitfile's paths start from; ``s3://conn@bucket/folder`` is fetched first.
    :param push_to: reference of the ModelKit, with a tag.
    :param kitfile: another Kitfile than ``context_dir``'s own.
    :param extra_tags: more tags for the same digest.
    :param annotations: added to the manifest.
    :param pack_options: more arguments of the core's ``pack``, for example ``{"compression": "zstd"}``; checked when
        the DAG is read, what a template or another task gives when it is rendered.
    :param sign: sign with the connection's key, before a tag points at it; ``None`` means where there is a key.
    :param attach_provenance: attach which DAG, task and run made it, before a tag points at it.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``sizeBytes``, ``uploadedBytes``, ``layerCount``,
        ``provenance``, ``isSigned``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "context_dir",
        "push_to",
        "kitfile",
        "extra_tags",
        "annotations",
        "pack_options",
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
        sign: bool | None = False,
        attach_provenance: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.context_dir = context_dir
        self.push_to = push_to
        self.kitfile = kitfile
        self.extra_tags = extra_tags
        self.annotations = annotations
        self.pack_options = pack_options
        if pack_options is not None:
            from kitops_orchestration.modelkit.pack import PackOptions

            check_options(pack_options, PackOptions, of=self._of_options, taken=_OWN_OPTIONS)
        self.sign = sign
        self.attach_provenance = attach_provenance

    @property
    def _of_options(self) -> str:
        return f"pack_options of the task {self.task_id!r}"

    def execute(self, context: Context) -> dict[str, Any]:
        """Pack, attach and sign as far as it is wanted, tag, and return where the ModelKit is."""
        from kitops_orchestration.modelkit.pack import PackOptions

        with airflow_errors():
            annotations = text_map(self.annotations, "annotations")
            options = rendered_options(self.pack_options, PackOptions, of=self._of_options, taken=_OWN_OPTIONS)
            client = self.hook.client
            where = client.reference(self.push_to).require_tag()
        kitfile = optional_text(self.kitfile)
        with local_folder(self.context_dir) as folder:
            result = client.publish(
                folder,
                where,
                statement=partial(_provenance, context) if self.attach_provenance else None,
                sign=self.sign,
                kitfile=Path(kitfile) if kitfile else None,
                extra_tags=texts(self.extra_tags),
                annotations=annotations,
                **options,
            )
        for warning in result.pack.warnings:
            self.log.warning("%s", warning)
        return self.announce(context, results.published(result))


class KitPackAndPushOperator(KitPackOperator):
    """Pack straight into a registry, say where it comes from, and sign it: all in one task, the tags last.

    The default where workers share no disk.  The tags move last: whoever finds the ModelKit finds the provenance,
    which names this DAG, task and run, and the signature, too.  A retry adds nothing.

    :param push_to: reference of the ModelKit in a registry, with a tag.
    :param sign: sign with the connection's key; ``None`` means where there is one.
    :param attach_provenance: attach which DAG, task and run made it.
    :return: as :class:`KitPackOperator`.
    """

    def __init__(self, *, sign: bool | None = None, attach_provenance: bool = True, **kwargs: Any) -> None:
        super().__init__(sign=sign, attach_provenance=attach_provenance, **kwargs)


def _provenance(context: Context, packed: PackResult) -> Statement:
    from kitops_orchestration.lineage.statements.provenance import provenance

    return provenance(packed, run_context(context))
