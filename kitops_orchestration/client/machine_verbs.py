"""What happens on this machine or to its folders: the verbs around MLflow, images, tags and clean-up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.client.bound import Bound
from kitops_orchestration.errors import AuthenticationError, InvalidReferenceError, KitOpsError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.deploy.image import Rendition
    from kitops_orchestration.mlflow_bridge.import_ import ImportResult
    from kitops_orchestration.mlflow_bridge.model_server import ModelServer
    from kitops_orchestration.mlflow_bridge.smoke import SmokeTest
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync
    from kitops_orchestration.modelkit.import_ import ImportResult as ImportedSource
    from kitops_orchestration.oci.prune import PruneResult
    from kitops_orchestration.promotion.promote import PromotionResult

_HUB = "https://huggingface.co/"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_PROBE = "kitops-orchestration-check"


class MachineVerbs(Bound):
    """Import into MLflow, serve, try out, render, untag, prune, log in and out."""

    def import_model(self, reference: str | Reference, **options: Any) -> ImportResult:
        """Make a ModelKit known to MLflow; the way back of ``export_run``.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.import_.import_modelkit`.
        """
        from kitops_orchestration.mlflow_bridge.import_ import import_modelkit

        where = self.reference(reference)
        return import_modelkit(self.repository(where), where.target, **self._reading(options))

    def sync_alias(
        self, reference: str | Reference, *, stage: str, registered_model: str | None = None, **options: Any
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

    def follow_alias(
        self,
        result: PromotionResult,
        *,
        registered_model: str | None = None,
        warn: Callable[[str], None],
        **options: Any,
    ) -> AliasSync | None:
        """Do :meth:`sync_alias` after a promotion or rollback, which is on record already: a failure is a warning."""
        try:
            return self.sync_alias(result.reference, stage=result.stage, registered_model=registered_model, **options)
        except KitOpsError as error:
            warn(f"promoted, but the alias in MLflow did not move: {error}")
            return None

    def import_source(
        self,
        source: str,
        reference: str | Reference,
        *,
        tool: str | None = None,
        revision: str | None = None,
        kitfile_path: Path | None = None,
        **options: Any,
    ) -> ImportedSource:
        """Pack a model of the Hugging Face Hub (``organisation/name``) or a git repository.

        ``tool`` is ``hf`` or ``git``; ``None`` decides by the form of ``source``.  ``options`` are those of
        :func:`kitops_orchestration.modelkit.import_git.import_git` and its sibling for the Hub.
        """
        from kitops_orchestration.modelkit.import_git import import_git
        from kitops_orchestration.modelkit.import_hugging_face import import_hugging_face
        from kitops_orchestration.modelkit.kitfile import Kitfile

        where = self.reference(reference)
        repo_id = source.removeprefix(_HUB)
        options = {**self._moving(options), "tag": where.tag}
        if revision is not None:
            options["revision"] = revision
        if kitfile_path is not None:
            options["kitfile"] = Kitfile.load(kitfile_path)
        if tool == "hf" or (tool is None and _HUB_NAME.fullmatch(repo_id)):
            return import_hugging_face(repo_id, self.repository(where), **options)
        return import_git(source, self.repository(where), **options)

    def serve(self, reference: str | Reference, **options: Any) -> ModelServer:
        """Start a server for the model of a ModelKit and return when it answers.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.model_server.serve`.
        """
        from kitops_orchestration.mlflow_bridge.model_server import serve

        where = self.reference(reference)
        return serve(self.repository(where), where.target, **self._reading(options))

    def smoke_test(self, reference: str | Reference, **options: Any) -> SmokeTest:
        """Predict on the packed input example and attach the result.

        ``options`` are those of :func:`kitops_orchestration.mlflow_bridge.smoke.smoke_test`.
        """
        from kitops_orchestration.mlflow_bridge.smoke import smoke_test

        where = self.reference(reference)
        return smoke_test(self.repository(where), where.target, cancel=self.cancel, **self._reading(options))

    def render_image(self, reference: str | Reference, *, tag: str | None = None, **options: Any) -> Rendition:
        """Push a container image made of the ModelKit's own layers, beside the ModelKit."""
        from kitops_orchestration.deploy.image import render_image

        where = self.reference(reference)
        return render_image(self.repository(where), where.target, tag=tag, **options)

    def untag(self, reference: str | Reference) -> list[Reference]:
        """Take tags away (``repository:tag`` or ``repository:tag,tag``); return them pinned to what they named.

        Raises:
            InvalidReferenceError: there is no tag in the reference.
            NotFoundError: a tag does not exist; those before it are gone.
        """
        first, *others = reference.split(",") if isinstance(reference, str) else [str(reference)]
        where = self.reference(first)
        if where.tag is None or where.digest is not None:
            raise InvalidReferenceError(
                f"not a tag: {reference}", advice=f"name one as {where.name}:tag; a digest goes when no tag leads to it"
            )
        repository = self.repository(where)
        tags = [where, *(where.with_tag(tag) for tag in others)]
        found = [item.with_digest(repository.resolve(item.target).digest) for item in tags]
        for item in tags:
            repository.delete_tag(item.target)
        return found

    def prune(self, repository: str | Reference, *, dry_run: bool = False, grace_seconds: float = 3600) -> PruneResult:
        """Remove what no tag leads to from a repository of a folder registry.

        Raises:
            InvalidReferenceError: the repository is in another kind of registry.
        """
        from kitops_orchestration.oci.layout import LayoutRepository
        from kitops_orchestration.oci.prune import prune

        where = self.reference(repository).without_target()
        if not where.is_folder:
            raise InvalidReferenceError(
                f"{where.registry} is no folder: only its operator can free space there",
                advice="name file:///folder/repository, or ask for the registry's garbage collection",
            )
        place = LayoutRepository(where, limits=self.limits)
        return prune(place, dry_run=dry_run, grace_seconds=grace_seconds)

    def any_repository(self, registry: str) -> Reference:
        """Return some repository of a registry, given as host, ``file:///folder``, or a repository in it."""
        text = registry.removeprefix("https://").removeprefix("http://").rstrip("/")
        is_whole = text.startswith("file://") or "/" not in text
        return self.reference(f"{text}/{_PROBE}" if is_whole else text).without_target()

    def whole_registry(self, text: str) -> str | None:
        """Return the registry when ``text`` names one as a whole, and not a repository in it.

        That is a host alone, or ``file:///folder`` where the folder is no repository itself.
        """
        if text.startswith("file://"):
            where = self.any_repository(text)
            place = where.layout_dir.parent
            return where.registry if place.is_dir() and not (place / "oci-layout").exists() else None
        is_host = "/" not in text.rstrip("/") and ("." in text or ":" in text or text == "localhost")
        return text.rstrip("/") if is_host and self.registry is None else None

    def repositories(self, place: str | Reference) -> list[Reference]:
        """Return the repository that is named, or all of a registry's: a folder is looked through, others are asked.

        A tag stays with the repository that it is of.

        Raises:
            RegistryResponseError: the registry has no catalogue, or keeps it from this user.
        """
        from kitops_orchestration.modelkit.catalog import list_folder
        from kitops_orchestration.oci.remote import RemoteRepository

        registry = self.whole_registry(str(place))
        if registry is None:
            return [self.reference(place)]
        probe = self.any_repository(registry)
        if probe.is_folder:
            return list(list_folder(probe.layout_dir.parent))
        repository = self.repository(probe)
        names = repository.catalog() if isinstance(repository, RemoteRepository) else []
        return [Reference(probe.registry, name) for name in names]

    def login(self, registry: str, username: str, password: str) -> str:
        """Try credentials on a registry, then keep them where Docker keeps its own; return where that is.

        Raises:
            AuthenticationError: the registry does not take them; nothing was kept.
        """
        from kitops_orchestration.oci.credential_store import store
        from kitops_orchestration.oci.credentials import Credential, StaticCredentials
        from kitops_orchestration.oci.remote import RemoteRepository

        where = self.any_repository(registry)
        if where.is_folder:
            raise InvalidReferenceError(f"{registry} is a folder: it asks nobody for credentials")
        credential = Credential(username, password)
        place = RemoteRepository(
            where,
            credentials=StaticCredentials({where.registry: credential}),
            plain_http=self._plain_http,
            tls=self._tls,
            limits=self.limits,
            proxy=self._proxy,
        )
        try:
            place.ping()
        except AuthenticationError as error:
            raise AuthenticationError(
                f"{where.registry} does not let {username} in; nothing was kept",
                operation="log in to",
                reference=where.registry,
                advice="check user name and password; many registries want an access token for a password",
            ) from error
        return store(where.registry, credential)

    def logout(self, registry: str) -> bool:
        """Forget the credentials of a registry; return False when there were none."""
        from kitops_orchestration.oci.credential_store import erase

        return erase(self.any_repository(registry).registry)

    def _reading(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"limits": self.limits, "progress": self._progress, **options}
