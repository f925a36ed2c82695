"""The verbs around MLflow: from a run to a ModelKit and back, serve, and try out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Unpack

from kitops_orchestration.client.bound import Bound, Named
from kitops_orchestration.client.verb import verb
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.export import ExportResult, ExportRunOptions
    from kitops_orchestration.mlflow_bridge.import_model import ImportModelOptions, ImportResult
    from kitops_orchestration.mlflow_bridge.serving.model_server import ModelServer, ServeOptions
    from kitops_orchestration.mlflow_bridge.serving.smoke import SmokeTest, SmokeTestOptions
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync, SyncAliasOptions
    from kitops_orchestration.promotion.promote import PromotionResult


class MlflowVerbs(Bound):
    """Export a run, import a model, let aliases follow, serve and smoke-test; each needs MLflow installed."""

    @verb("writes")
    def export_run(self, source: str, reference: Named, **options: Unpack[ExportRunOptions]) -> ExportResult:
        """Export an MLflow run, logged model or registered version as a ModelKit.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.export.export_run`.

        Raises:
            MissingExtraError: MLflow is not installed.
        """
        from kitops_orchestration.mlflow_bridge.export import export_run

        where = self.reference(reference)
        return export_run(source, self.repository(where), tag=where.tag, **self._hand(export_run, options))

    @verb("reads")
    def import_model(self, reference: Named, **options: Unpack[ImportModelOptions]) -> ImportResult:
        """Make a ModelKit known to MLflow; the way back of ``export_run``.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.import_model.import_modelkit`.
        """
        from kitops_orchestration.mlflow_bridge.import_model import import_modelkit

        where = self.reference(reference)
        return import_modelkit(self.pulled_from(where), where.target, **self._hand(import_modelkit, options))

    @verb()
    def sync_alias(
        self,
        reference: Named,
        *,
        stage: str,
        registered_model: str | None = None,
        **options: Unpack[SyncAliasOptions],
    ) -> AliasSync:
        """After a promotion: let the stage's alias of the registered model in MLflow follow.

        The model is the one that the Kitfile names when it is not given.  ``options`` are those of
        :func:`kitops_orchestration.mlflow_bridge.write_back.sync_alias`.

        Raises:
            RunExportError: no such model, or no version of it that this ModelKit was made from.
        """
        from kitops_orchestration.mlflow_bridge.write_back import registered_model_of, sync_alias

        pinned = self.resolve(reference)
        name = registered_model or registered_model_of(self.repository(pinned), pinned.target)
        return sync_alias(name, stage, str(pinned.digest), **options)

    @verb()
    def follow_alias(
        self,
        result: PromotionResult,
        *,
        warn: Callable[[str], None],
        registered_model: str | None = None,
        **options: Unpack[SyncAliasOptions],
    ) -> AliasSync | None:
        """Do :meth:`sync_alias` after a promotion or rollback, which is on record already: a failure is a warning."""
        try:
            return self.sync_alias(result.reference, stage=result.stage, registered_model=registered_model, **options)
        except KitOpsError as error:
            again = f"sync_alias({str(result.reference)!r}, stage={result.stage!r})"
            warn(f"promoted, but the alias in MLflow did not move: {error}. KitClient().{again} moves it later")
            return None

    @verb()
    def serve(self, reference: Named, **options: Unpack[ServeOptions]) -> ModelServer:
        """Start a server for the model of a ModelKit and return when it answers.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.serving.model_server.serve`.
        """
        from kitops_orchestration.mlflow_bridge.serving.model_server import serve

        where = self.reference(reference)
        return serve(self.pulled_from(where), where.target, **self._hand(serve, options))

    @verb()
    def smoke_test(self, reference: Named, **options: Unpack[SmokeTestOptions]) -> SmokeTest:
        """Predict on the packed input example and attach the result.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.serving.smoke.smoke_test`.
        """
        from kitops_orchestration.mlflow_bridge.serving.smoke import smoke_test

        where = self.reference(reference)
        # A result is attached where the ModelKit is named, never at a mirror or a location of registries.conf.
        place = self.pulled_from(where) if options.get("record") is False else self.repository(where)
        return smoke_test(place, where.target, **self._hand(smoke_test, options))
