"""The verbs about what is in a registry: list, tag, remove, prune, log in and out, and is it there at all."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from kitops_orchestration.client.bound import Bound, Named
from kitops_orchestration.client.verb import verb
from kitops_orchestration.errors import AuthenticationError, InvalidReferenceError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.tag_guard import check_tag

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog
    from kitops_orchestration.catalog.read import CatalogOptions
    from kitops_orchestration.client.doctor import Finding
    from kitops_orchestration.modelkit.catalog import Listed
    from kitops_orchestration.oci.layout.prune import PruneOptions, PruneResult
    from kitops_orchestration.oci.registry.oras_client import OrasRegistry
    from kitops_orchestration.oci.registry.probe_report import ProbeReport
    from kitops_orchestration.promotion.retention.remove import RemoveOptions
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy

_PROBE = "kitops-orchestration-check"


class RegistryVerbs(Bound):
    """List, tag, remove, prune, log in and out, and look whether all is well."""

    @verb()
    def check(self) -> None:
        """Ask the registry whether it is there and takes the credentials; raises the error tree's reason."""
        if self.registry is None:
            raise InvalidReferenceError(
                "no registry is configured", advice="give the client, connection or resource a registry"
            )
        from kitops_orchestration.oci.resolve import tags_if_there

        tags_if_there(self.repository(_PROBE))

    @verb()
    def doctor(self, registry: str | None = None) -> builtins.list[Finding]:
        """Look whether this machine, and the registry that is named, are fit to pack, move and sign.

        Nothing raises: what fails is a finding.
        """
        from kitops_orchestration.client.doctor import examine

        return examine(self, self.any_repository(registry) if registry else None)

    @verb()
    def probe(self, repository: Named, *, keep: bool = False) -> ProbeReport:
        """Find out what the registry of a repository can do; a few small things are written into it and removed again.

        With ``keep`` the transfers that follow on this machine know it, for a week.

        Raises:
            InvalidReferenceError: the repository is in a folder.
        """
        from kitops_orchestration.oci.registry.abilities import Abilities
        from kitops_orchestration.oci.registry.abilities import keep as keep_abilities
        from kitops_orchestration.oci.registry.probe import probe

        place = self.repository(repository)
        report = probe(place, cancel=self.cancel)
        if keep:
            report.teach(found := Abilities())
            keep_abilities(place.reference.registry, found)
        return report

    @verb()
    def tag(self, reference: Named, tag: str) -> Reference:
        """Point another tag of the same repository at what ``reference`` names; no bytes move."""
        where = self.reference(reference)
        repository = self.repository(where)
        descriptor = repository.resolve(where.target)
        result = where.with_tag(tag).with_digest(descriptor.digest)
        repository.set_tag(tag, descriptor)
        return result

    @verb()
    def tags(self, repository: Named) -> builtins.list[str]:
        """List the tags of a repository in lexical order.

        Raises:
            NotFoundError: there is no such repository.
        """
        return [*self.repository(repository).tags()]

    @verb()
    def list(self, place: Named, *, filters: Sequence[str] = ()) -> builtins.list[Listed]:
        """Return every tag of a repository, or of all repositories of a registry, with the ModelKit that it names.

        With ``filters`` only ModelKits that hold such a part (``["datasets:train"]``).  No layer is fetched.

        Raises:
            NotFoundError: there is no such repository.
        """
        from kitops_orchestration.modelkit.catalog import list_tags

        places = [(self.repository(where), where.tag) for where in self.repositories(place)]
        is_named = self.whole_registry(str(place)) is None
        return list_tags(places, filters=filters, concurrency=self.limits.concurrency, must_exist=is_named)

    @verb()
    def remove(self, reference: Named, **options: Unpack[RemoveOptions]) -> builtins.list[Reference]:
        """Take tags away (``repository:tag`` or ``repository:tag,tag``); return them pinned to what they named.

        Where a witness makes checkpoints of the repository, the last tag of a version of which anything is known goes
        with a ``signer`` alone, whose removal is written before.

        Raises:
            InvalidReferenceError: there is no tag in the reference.
            NotFoundError: a tag does not exist; those before it are gone.
            PromotionError: a witness watches, and there is no key, or one that may not remove; nothing is gone.
        """
        from kitops_orchestration.oci.referrers import REMOVALS_TAG
        from kitops_orchestration.oci.resolve import resolve_or_none

        first, *others = reference.split(",") if isinstance(reference, str) else [reference]
        where = self.reference(first)
        if where.tag is None or where.digest is not None:
            raise InvalidReferenceError(
                f"not a tag: {reference}", advice=f"name one as {where.name}:tag; a digest goes when no tag leads to it"
            )
        repository = self.repository(where)
        tags = [where, *(where.with_tag(str(tag)) for tag in others)]
        found = [item.with_digest(repository.resolve(item.target).digest) for item in tags]
        for item in tags:
            check_tag(repository, getattr(repository, "guard", None), item.target)  # all, before the first is gone
        if resolve_or_none(repository, REMOVALS_TAG) is not None:
            from kitops_orchestration.promotion.retention.remove import sign_last_tags

            sign_last_tags(repository, found, **self._hand(sign_last_tags, options))
        for item in tags:
            repository.delete_tag(item.target)
        return found

    @verb()
    def prune(self, repository: Named, **options: Unpack[PruneOptions]) -> PruneResult:
        """Remove what no tag leads to from a repository of a folder registry.

        Raises:
            InvalidReferenceError: the repository is in another kind of registry.
        """
        from kitops_orchestration.oci.layout import LayoutRepository
        from kitops_orchestration.oci.layout.prune import prune

        place = self.repository(repository)
        if not isinstance(place, LayoutRepository):
            raise InvalidReferenceError(
                f"{place.reference.registry} is no folder: only its operator can free space there",
                advice="name file:///folder/repository, or ask for the registry's garbage collection",
            )
        return prune(place, **options)

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

    @verb()
    def repositories(self, place: Named | None = None) -> builtins.list[Reference]:
        """Return the repository that is named, or all of a registry's: a folder is looked through, others are asked.

        ``None`` is the client's own registry.  A tag stays with the repository that it is of.

        Raises:
            RegistryResponseError: the registry has no catalogue, or keeps it from this user.
            InvalidReferenceError: nothing is named, and the client has no registry.
        """
        if place is None:
            probe = Reference(self.registry, _PROBE) if self.registry else self.reference(_PROBE)
        else:
            registry = self.whole_registry(place) if isinstance(place, str) else None
            if registry is None:
                return [self.reference(place)]
            probe = self.any_repository(registry)
        if probe.is_folder:
            from kitops_orchestration.modelkit.catalog import list_folder

            return [*list_folder(probe.layout_dir.parent)]
        from kitops_orchestration.oci.registry.repository import RemoteRepository

        repository = self.repository(probe)
        names = repository.catalog() if isinstance(repository, RemoteRepository) else []
        return [Reference(probe.registry, name) for name in names]

    @verb()
    def catalog(
        self,
        place: Named | Sequence[Named],
        *,
        policy: PromotionPolicy | None = None,
        into: Path | None = None,
        only_new: bool = False,
        mlflow_urls: Sequence[str] = (),
        **options: Unpack[CatalogOptions],
    ) -> Catalog:
        """Return what a site about the ModelKits of a registry is made of, or of the repositories that are named.

        With ``into`` the site is written into that folder, whole or not at all; one that is there is replaced.

        Requests: one list of tags for each repository; one for each tag, for what it points at; the list of what is
        attached for each digest.  Manifests, Kitfiles and statements are fetched once by their digest and kept on this
        machine, so that another run pays for what is new.  No layer is fetched.  With ``only_new`` the answers of the
        last run stand for tags and digests that it asked about: then an unchanged registry costs one list for each
        repository, and what moved or was attached since is not seen; the site says so.

        ``mlflow_urls`` are addresses of MLflow: a version whose run is on one of these hosts has a link to its page.

        ``options`` are those of :func:`kitops_orchestration.catalog.read.read_catalog`.

        Raises:
            KitOpsError: ``into`` has content that no catalog wrote, or cannot be written.
            MissingExtraError: a site shall be written, and Jinja2 is not installed.
        """
        from kitops_orchestration.client.catalog import catalog_of

        return catalog_of(self, place, policy=policy, into=into, only_new=only_new, mlflow_urls=mlflow_urls, **options)

    def oras(self, reference: Named) -> OrasRegistry:
        """Return an ``oras.provider.Registry`` of the reference's registry, which pushes and pulls any artifact.

        It has this client's credentials, TLS, proxy, limits and cancellation, and verifies what it pulls.
        """
        from kitops_orchestration.oci.registry.oras_client import OrasRegistry

        return OrasRegistry(self.reference(reference), self.repository, cancel=self.cancel)

    @verb()
    def login(self, registry: str, username: str, password: str) -> str:
        """Try credentials on a registry, then keep them where Docker keeps its own; return where that is.

        Raises:
            AuthenticationError: the registry does not take them; nothing was kept.
        """
        from kitops_orchestration.oci.auth.credential_store import store
        from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
        from kitops_orchestration.oci.registry.repository import RemoteRepository

        where = self.any_repository(registry)
        if where.is_folder:
            raise InvalidReferenceError(f"{registry} is a folder: it asks nobody for credentials")
        credential = Credential(username, password)
        place = self.with_credentials(StaticCredentials({where.registry: credential})).repository(where)
        try:
            if isinstance(place, RemoteRepository):
                place.ping()
        except AuthenticationError as error:
            raise AuthenticationError(
                f"{where.registry} does not let {username} in; nothing was kept",
                operation="log in to",
                reference=where.registry,
                advice="check user name and password; many registries want an access token for a password",
            ) from error
        return store(where.registry, credential)

    @verb()
    def logout(self, registry: str) -> bool:
        """Forget the credentials of a registry; return False when there were none."""
        from kitops_orchestration.oci.auth.credential_store import erase

        return erase(self.any_repository(registry).registry)
