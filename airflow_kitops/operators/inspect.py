"""Operators that look and move nothing: one ModelKit, two of them, the catalog of a registry. No layer is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.policy import optional_policy
from airflow_kitops.rendered import text

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitInspectOperator(KitOperator):
    """Read a ModelKit's manifest and Kitfile.

    :param reference: reference, or the mapping that another task returned.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``name``, ``version``, ``sizeBytes``, ``layers``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: str | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference

    def execute(self, context: Context) -> dict[str, Any]:
        """Inspect and return what was found."""
        return results.inspected(self.hook.client.inspect(self.reference))


class KitDiffOperator(KitOperator):
    """Compare two ModelKits by Kitfile and layers.

    :param left: reference, or the mapping that another task returned.
    :param right: the other one.
    :return: the difference as JSON, as ``kitctl diff --json`` prints it.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "left", "right")

    def __init__(
        self,
        *,
        left: str | Mapping[str, Any],
        right: str | Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.left = left
        self.right = right

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare and return the difference."""
        return dict(self.hook.client.diff(self.left, self.right).to_json())


class KitCatalogOperator(KitOperator):
    """Publish the catalog of a registry, or of some repositories, as a static site.

    A site that is there is replaced, whole or not at all.  A repository that cannot be read is on the board with the
    reason; the rest is published, and the task fails.  With the connection's trust policy and ``policy`` the stages are
    judged.  Needs the extra ``catalog``.

    :param places: the registry, a repository, or several of them.
    :param into: the folder of the site: one that all workers see, or that a later task sends on.
    :param policy: file of the promotion policy, by whose checks the stages are judged.
    :param mlflow_urls: addresses of MLflow; a version whose run is on one of these hosts has a link to its page.
    :param only_new: ask for tags alone that the last run on this machine did not know.
    :return: ``site``, ``files``, ``sizeBytes``, ``asOf``, ``modelCount``, ``versionCount``, ``redCount``, ``state`` (a
        digest that stays the same as long as nothing changes).
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "places", "into", "policy")

    def __init__(
        self,
        *,
        places: str | Sequence[str],
        into: str,
        policy: str | None = None,
        mlflow_urls: Sequence[str] = (),
        only_new: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.places = places
        self.into = into
        self.policy = policy
        self.mlflow_urls = mlflow_urls
        self.only_new = only_new

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, publish, and return where the site is."""
        with airflow_errors():
            folder = Path(text(self.into, "into"))
        found = self.hook.client.catalog(
            self.places,
            policy=optional_policy(self.policy),
            into=folder,
            only_new=self.only_new,
            mlflow_urls=self.mlflow_urls,
        )
        self.log.info("%s", found.to_markdown())
        found.require_all_read()
        return results.catalogued(found)
