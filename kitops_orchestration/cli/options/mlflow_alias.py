"""The alias in MLflow that follows a stage: options and what promote and rollback do with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kitops_orchestration.cli.output.answer import print_warning

if TYPE_CHECKING:
    from kitops_orchestration.client import KitClient
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync
    from kitops_orchestration.promotion.promote import PromotionResult

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class AliasOptions:
    """What the command line says of MLflow."""

    is_wanted: bool
    model: str | None
    tracking_uri: str | None


def alias_options(function: F) -> F:
    """Add ``--mlflow``, ``--mlflow-model`` and ``--tracking-uri``, read by :func:`alias_of`."""
    options = (
        click.option(
            "--mlflow", "in_mlflow", is_flag=True, help="Move the alias of the registered model in MLflow as well."
        ),
        click.option("--mlflow-model", metavar="NAME", help="The registered model; the one in the Kitfile otherwise."),
        click.option("--tracking-uri", help="MLflow tracking server or database; MLFLOW_TRACKING_URI otherwise."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def alias_of(in_mlflow: bool, mlflow_model: str | None, tracking_uri: str | None) -> AliasOptions:
    """Return the options as one value; naming the model asks for the alias."""
    return AliasOptions(in_mlflow or mlflow_model is not None, mlflow_model, tracking_uri)


def follow(client: KitClient, result: PromotionResult, options: AliasOptions) -> AliasSync | None:
    """Move the stage's alias after a promotion where that is wanted."""
    if not options.is_wanted:
        return None
    return client.follow_alias(
        result, registered_model=options.model, tracking_uri=options.tracking_uri, warn=print_warning
    )
