"""MirroredRepository: a repository that is pulled from where ``registries.conf`` says: its mirrors, then its location.

Source: containers-registries.conf(5), "Remapping and mirroring registries".
"""

# What has to stay true: a mirror gives tags and content, and nothing else.  Who vouches for a ModelKit, and who takes
# that back, is asked at the location: a mirror that lags, or wants to, would hide a revocation.  Nothing is written.

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NoReturn, Protocol, TypeVar

from kitops_orchestration.errors import IntegrityError, InvalidReferenceError, KitOpsError, NotFoundError, RegistryError
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.http.registry_files import Place, RegistryEntry, entry_of
from kitops_orchestration.oci.manifest import Node
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import is_hidden_tag
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.settings import Limits

T = TypeVar("T")


class OpenPlace(Protocol):
    """Opens a repository of a registry; ``insecure`` is what the entry that leads there says."""

    def __call__(self, where: Reference, /, *, insecure: bool | None, limits: Limits) -> Repository:
        """Return the repository; no request is made yet."""
        ...


@dataclass(slots=True)
class _Memory:
    """What was found out about the places; views of one repository share it."""

    first: int = 0
    """The place that has the ModelKit; those before it have not."""
    failed: dict[int, str] | None = None


class MirroredRepository(RemoteRepository):
    """A repository at its location, whose tags and content are looked for at its mirrors first.

    The place that has a manifest is where its blobs are looked for; what it has not, the next one may have.  A mirror
    that does not answer, or refuses us, is passed over; a warning names it once.  Lists of tags and referrers come from
    the location.
    """

    def __init__(self, named: Reference, location: RemoteRepository, mirrors: Sequence[RemoteRepository]) -> None:
        super().__init__(location.reference, **location._opened_with, insecure=location._insecure)
        self.guard = location.guard
        self._named = named.without_target()
        self._mirrors = tuple(mirrors)
        self._found = _Memory(failed={})

    @property
    def reference(self) -> Reference:
        """The repository as it is called, wherever it is."""
        return self._named

    def __repr__(self) -> str:
        return f"MirroredRepository({self._named})"

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at, by the first place that knows; raises ``NotFoundError``."""
        if is_hidden_tag(target):  # evidence, checkpoints and what is known of a stage, where a tag carries it
            return RemoteRepository.resolve(self, target)
        return self._asked(lambda place: RemoteRepository.resolve(place, target), chooses=True)

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest, of the first place that has it."""
        if is_hidden_tag(target):
            return RemoteRepository.fetch_manifest(self, target)
        return self._asked(lambda place: RemoteRepository.fetch_manifest(place, target), chooses=True)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether a place has the blob that may be asked for it."""

        def ask(place: RemoteRepository) -> bool:
            if RemoteRepository.has_blob(place, descriptor):
                return True
            raise NotFoundError(f"{place.reference} does not have {descriptor.digest}")

        try:
            return self._asked(ask)
        except NotFoundError:
            return False

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open the blob at ``offset``, at the first place that has it."""
        return self._asked(lambda place: RemoteRepository.fetch_blob(place, descriptor, offset=offset))

    def fetch_range(
        self, descriptor: Descriptor, offset: int, size: int, cancel: threading.Event | None = None
    ) -> BinaryIO | None:
        """Open ``size`` bytes at ``offset``; ``None`` where the whole blob would be sent instead."""
        return self._asked(lambda place: RemoteRepository.fetch_range(place, descriptor, offset, size, cancel))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raise: nothing is written here."""
        raise RegistryError(
            f"{self._named} was opened for pulls, from where registries.conf leads; nothing was written",
            operation="write to",
            reference=str(self._named),
            advice="open the repository that the reference names: KitClient.repository, not pulled_from",
        )

    push_blob = push_content = mount_blob = _refuse
    push_manifest = push_referrers = set_tag = delete_tag = delete_manifest = _refuse

    def _asked(self, ask: Callable[[RemoteRepository], T], *, chooses: bool = False) -> T:
        """Return the first place's answer; the location's error where no place has one."""
        for number in range(self._found.first, len(self._mirrors)):
            place = self._mirrors[number]
            try:
                answer = ask(place.stopped_by(self._cancel))
            except (RegistryError, IntegrityError) as error:
                self._pass_over(number, place, error)
                continue
            if chooses:
                self._found.first = number
            return answer
        try:
            answer = ask(self)
        except (RegistryError, IntegrityError) as error:
            raise self._with_mirrors(error) from error.__cause__
        if chooses:
            self._found.first = len(self._mirrors)
        return answer

    def _pass_over(self, number: int, place: RemoteRepository, error: KitOpsError) -> None:
        failed = self._found.failed if self._found.failed is not None else {}
        is_news, failed[number] = number not in failed, f"{place.reference}: {error}"
        if is_news and not isinstance(error, NotFoundError):
            warnings.warn(f"the mirror {place.reference} of {self._named} is passed over: {error}", stacklevel=4)

    def _with_mirrors(self, error: KitOpsError) -> KitOpsError:
        if self._found.failed:
            tried = "; ".join(self._found.failed.values())
            error.advice = f"{error.advice or 'check the name'} (mirrors of registries.conf were asked first: {tried})"
        return error


def pulled_from(reference: Reference, open_place: OpenPlace, limits: Limits) -> Repository | None:
    """Return what a reference is pulled from by ``registries.conf``; ``None`` where that is the registry that it names.

    A mirror is tried once, and quickly: the next place is there.

    Raises:
        KitOpsError: the registry is blocked, or its entry is not what it should be.
    """
    entry = entry_of(reference.name)
    if entry is None or entry.is_blocked:  # who opens a blocked one is told so
        return None
    is_pinned = reference.digest is not None
    wanted = [mirror for mirror in entry.mirrors if (mirror.has_digests if is_pinned else mirror.has_tags)]
    where = _reference(entry, reference, entry.own)
    if not wanted and where == reference.without_target():
        return None
    quick = replace(
        limits,
        retries=min(limits.retries, 1),
        connect_timeout_seconds=min(limits.connect_timeout_seconds, 5.0),
        retry_budget_seconds=min(limits.retry_budget_seconds, 10.0),
    )
    location: Any = open_place(where, insecure=entry.own.insecure, limits=limits)
    mirrors: list[Any] = [
        open_place(_reference(entry, reference, mirror), insecure=mirror.insecure, limits=quick) for mirror in wanted
    ]
    return MirroredRepository(reference, location, mirrors)


def _reference(entry: RegistryEntry, reference: Reference, place: Place) -> Reference:
    text = entry.renamed(reference.name, place)
    if text == reference.name:
        return reference.without_target()
    host, _, repository = text.partition("/")
    try:
        return Reference(host, repository)
    except InvalidReferenceError as error:
        raise KitOpsError(
            f"{entry.path} leads {reference.name} to {text!r}, which names no repository",
            advice=f"correct location and mirrors of the entry {entry.prefix!r}",
        ) from error
