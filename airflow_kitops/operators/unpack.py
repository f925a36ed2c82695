"""KitUnpackOperator: a ModelKit, or parts of it, become files on this worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.rendered import text, texts

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitUnpackOperator(KitOperator):
    """Unpack a ModelKit into a folder that stays where this task ran.

    A task that wants the files itself uses ``@task.kit_unpack``: it may run on another machine than this one.

    :param reference: reference, or the mapping that another task returned.
    :param target_dir: folder to unpack into; made when absent.
    :param filters: parts to unpack, for example ``["model", "datasets:training"]``; empty means all.
    :param verify: unpack only what is signed as the connection's trust policy or key wants it; ``None`` means as
        ``[kitops] require_signature`` says.
    :param exists: what to do with a file that is there already.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``files``, ``sizeBytes`` and, as information
        only, ``targetDir``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference", "target_dir", "filters")

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        target_dir: str,
        filters: Sequence[str] = (),
        exists: Literal["error", "overwrite", "ignore"] = "error",
        verify: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.target_dir = target_dir
        self.filters = filters
        self.exists = exists
        self.verify = verify

    def execute(self, context: Context) -> dict[str, Any]:
        """Unpack and return what was unpacked."""
        with airflow_errors():
            target_dir = text(self.target_dir, "target_dir")  # an empty one would be the worker's working folder
        where = self.hook.trusted(self.reference, verify=self.verify)
        result = self.hook.client.unpack(where, target_dir, filters=texts(self.filters), exists=self.exists)
        return results.unpacked(result)
