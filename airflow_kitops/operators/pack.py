"""KitPackOperator: a folder becomes a ModelKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.operators.kit_operator import KitProducingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitPackOperator(KitProducingOperator):
    """Pack a folder of this worker into a ModelKit.

    The ModelKit is written straight into ``push_to``: a registry (``ghcr.io/org/model:1.0``), or a folder
    registry (``file:///shared/registry/model:1.0``) that the tasks after this one can reach too.

    :param context_dir: the folder that the Kitfile's paths start from.
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
        from pathlib import Path

        result = self.hook.pack(
            self.context_dir,
            self.push_to,
            kitfile=Path(self.kitfile) if self.kitfile else None,
            extra_tags=tuple(self.extra_tags),
            annotations=self.annotations,
            **(self.pack_options or {}),
        )
        for warning in result.warnings:
            self.log.warning("%s", warning)
        return self.announce(context, results.packed(result))
