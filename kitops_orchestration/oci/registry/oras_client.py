"""oras-py's registry client on our session: any artifact, pushed and pulled beside a ModelKit.

What oras-py is good at is kept: its calls, the manifests that it makes, the titles of its files.  What it lacks is
replaced: every request goes through a :class:`~kitops_orchestration.oci.registry.session.RegistrySession`
(credentials by repository, verified TLS, proxy, retries with a budget, timeouts, bounded answers), blobs are streamed,
and what is pulled is compared with its digest before it has its name.

No verb goes this way, and nothing else in the project imports oras: that alone costs a third of a second, and two
seconds where Jupyter is installed.
"""

from __future__ import annotations

import io
import json as json_module
import os
import re
import tarfile
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast
from urllib.parse import unquote, urlsplit

import jsonschema
import oras.auth.base
import oras.container
import oras.defaults
import oras.provider
import oras.schemas
import oras.utils
import requests

from kitops_orchestration.errors import (
    InvalidReferenceError,
    KitOpsError,
    RegistryResponseError,
    SizeMismatchError,
    UnsafePathError,
)
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.response import Response, whole_number
from kitops_orchestration.oci.manifest import parse
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.errors import error_for
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.registry.session import Call
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.transfer.source import FileSource
from kitops_orchestration.oci.verified import VerifyingReader, verify_content

_ACTIONS = {"GET": ("pull",), "HEAD": ("pull",), "DELETE": ("delete", "pull", "push")}
_GOOD = (200, 201, 202)
_REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs|manifests|tags|referrers)/")
_OURS = ("authorization", "content-length")
"""Headers that the session sets; a user's own ``Authorization`` would follow a redirect to another host."""


class OrasRegistry(oras.provider.Registry):  # type: ignore[misc]  # oras has no types
    """``oras.provider.Registry`` for one registry, with the credentials, TLS, proxy and limits of a client.

    Targets without a registry are in this one (``team/notes:v1``); those of another are refused, because its
    credentials are not theirs.  Failures of the registry are this project's errors.

    Args:
        reference: names the registry; completes targets.
        open_repository: opens a repository with what the caller holds; a client's ``repository``.
        cancel: set it to stop a running transfer within a second.
    """

    def __init__(
        self,
        reference: Reference,
        open_repository: Callable[[Reference], Repository],
        *,
        cancel: threading.Event | None = None,
    ) -> None:
        if reference.is_folder:
            raise InvalidReferenceError(
                f"{reference} is a folder: oras speaks to registries over HTTP",
                advice="name a registry, or use copy, pack and unpack, which know folders",
            )
        self.reference = reference
        self._open_repository = open_repository
        self._cancel = cancel
        self._registry_session = self._repository(reference.repository).session
        origin = self._registry_session.origin
        super().__init__(hostname=origin.netloc, insecure=origin.scheme == "http")
        self.auth = _SessionAuth()

    def get_container(self, name: Any) -> Any:
        """Return oras's parts of a target, read with the grammar of references.

        Raises:
            InvalidReferenceError: no reference, or one to another registry.
        """
        if isinstance(name, oras.container.Container):
            if name.registry != self.hostname:
                raise self._elsewhere(name.uri)
            return name
        where = Reference.parse(name, registry=self.reference.registry)
        if where.registry != self.reference.registry:
            raise self._elsewhere(name)
        container = oras.container.Container("registry.invalid/repository")  # its own parser takes too much
        container.registry = self.hostname
        container.namespace = None
        container.repository = self._registry_session.name(where)
        container.tag = where.tag or (None if where.digest else oras.defaults.default_tag)
        container.digest = where.digest
        return container

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        stream: bool = False,
    ) -> requests.Response:
        """Send any request of the registry; without ``stream`` its answer is read, up to ``max_manifest_bytes``.

        Raises:
            SizeMismatchError: the answer is larger.
            TagOwnedError: it would move, or take away, the tag of a stage.
            KitOpsError: no answer, or not for these credentials.
        """
        sent = {name: value for name, value in (headers or {}).items() if name.lower() not in _OURS}
        if json is not None:
            data, sent = json_module.dumps(json).encode(), {"Content-Type": "application/json", **sent}
        named = _REPOSITORY.match(urlsplit(url).path)
        where = Reference(self.reference.registry, named[1] if named else self.reference.repository)
        self._require_free(method, url, where)
        actions = _ACTIONS.get(method, ("pull", "push"))
        call = Call(method, url, where, f"{method.lower()} in", actions, sent, data)
        session, limit = self._registry_session, self._registry_session.limits.max_manifest_bytes
        if stream:
            return _Answer(session.send(call, cancel=self._cancel), call)
        response = session.ask(call, limit=limit + 1, cancel=self._cancel)
        if len(response.content) > limit:
            raise SizeMismatchError(
                f"{call.operation} {where}: the answer has more than {limit} bytes",
                advice="raise Limits.max_manifest_bytes, or ask with stream=True",
            )
        return _Answer(response, call)

    def _require_free(self, method: str, url: str, where: Reference) -> None:
        """Ask the guard before a request writes to a manifest: oras deletes a tag by its digest, and others with it."""
        _, is_manifest, target = unquote(urlsplit(url).path).rpartition("/manifests/")
        is_read, is_new_digest = method in ("GET", "HEAD"), method == "PUT" and ":" in target
        if is_manifest and not is_read and not is_new_digest:
            self._repository(where.repository).require_free(target)

    def get_blob(self, container: Any, digest: str, stream: bool = False, head: bool = False) -> requests.Response:
        """Return a blob as an answer whose body raises an ``IntegrityError`` where it is not that blob."""
        container = self.get_container(container)
        answer, blob = self._blob(container, digest)
        if head:
            return answer
        body = VerifyingReader(self._of(container).fetch_blob(blob), blob)
        answer = _Answer(answer.ours, answer.call, body)
        if not stream:
            _ = answer.content  # read, and so verified
        return answer

    def download_blob(self, container: Any, digest: str, outfile: str) -> str:
        """Write a blob to a file, which is there only when it is whole and right; return its path."""
        container = self.get_container(container)
        self._download(container, self._blob(container, digest)[1], outfile)
        return outfile

    def upload_blob(
        self, blob: str, container: Any, layer: dict[str, Any], do_chunked: bool = False, chunk_size: int = 0
    ) -> requests.Response:
        """Stream a file to the registry; chunks are used where this registry needs them, whatever is asked for."""
        container = self.get_container(container)
        descriptor = Descriptor.from_json(layer)
        is_new = self._of(container).push_blob(descriptor, FileSource(Path(blob)))
        return self._stored(201 if is_new else 200, container.get_blob_url(descriptor.digest), descriptor.digest)

    def put_upload(self, blob: str, container: Any, layer: dict[str, Any]) -> requests.Response:
        """Do what :meth:`upload_blob` does."""
        return self.upload_blob(blob, container, layer)

    def chunked_upload(
        self, blob: str, container: Any, layer: dict[str, Any], chunk_size: int = 0
    ) -> requests.Response:
        """Do what :meth:`upload_blob` does."""
        return self.upload_blob(blob, container, layer)

    def upload_manifest(self, manifest: dict[str, Any], container: Any) -> requests.Response:
        """Store a manifest and point the target's tag at it; one with a subject can be found as its referrer.

        Raises:
            DigestMismatchError: the target names another digest; nothing was sent.
        """
        container = self.get_container(container)
        jsonschema.validate(manifest, schema=oras.schemas.manifest)
        node = parse(json_module.dumps(manifest).encode(), expected=container.digest)
        self._of(container).push_manifest(node, tag=container.tag)
        return self._stored(201, container.manifest_url(), node.digest)

    def get_manifest(
        self,
        container: Any,
        allowed_media_type: list[str] | None = None,
        validation_schema: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return a manifest, compared with the digest that was asked for, or with the one that the registry says."""
        container = self.get_container(container)
        accepted = allowed_media_type or oras.defaults.default_manifest_accepted_media_types
        url = f"{self.prefix}://{container.manifest_url()}"
        answer = self.do_request(url, "GET", headers={"Accept": ", ".join(accepted)})
        self._check_200_response(answer)
        expected = container.digest or answer.headers.get("Docker-Content-Digest")
        if expected is not None:
            verify_content(answer.content, Digest(expected), f"{container.uri}: the manifest")
        try:
            manifest = json_module.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise RegistryResponseError(f"the manifest {container.uri} is not JSON", status=200) from error
        if validation_schema:
            jsonschema.validate(manifest, schema=validation_schema)
        return cast(dict[str, Any], manifest)

    def pull(
        self,
        target: str,
        config_path: str | None = None,
        allowed_media_type: list[str] | None = None,
        overwrite: bool = True,
        outdir: str | None = None,
    ) -> list[str]:
        """Pull the files of an artifact into ``outdir`` under their titles, verified; return their paths.

        A folder is a compressed archive: nothing in it may lead out of ``outdir``.

        Raises:
            IntegrityError: the registry holds other content; no file has it.
            UnsafePathError: a title, or a member of an archive, leads out of the folder.
        """
        container = self.get_container(target)
        manifest = self.get_manifest(container, allowed_media_type)
        folder = outdir or oras.utils.get_tmpdir()
        files: list[str] = []
        for layer in manifest.get("layers") or []:
            blob = Descriptor.from_json(layer)
            path = _inside(folder, blob.annotations.get(oras.defaults.annotation_title) or blob.digest)
            if path.exists() and not overwrite:
                continue
            if blob.media_type == oras.defaults.default_blob_dir_media_type:
                self._pull_folder(container, blob, path)
            else:
                self._download(container, blob, str(path))
            files.append(str(path))
        return files

    def get_tags(self, name: Any, N: int | None = None) -> list[str]:  # noqa: N803 - oras's name
        """Return the tags in lexical order, the first ``N`` of them if it is given."""
        return list(self._of(self.get_container(name)).tags())[:N]

    def login(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse: credentials belong to the client, the connection or the resource, and not to the machine.

        Raises:
            KitOpsError: always.
        """
        raise KitOpsError(
            "an oras client of this project takes no login of its own",
            advice="give the KitClient, the connection or the resource its credentials, or run kitctl login",
        )

    def _pull_folder(self, container: Any, blob: Descriptor, path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="oras-") as temporary:
            archive = os.path.join(temporary, "layer")  # noqa: PTH118 - a string, as oras has it
            self._download(container, blob, archive)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with tarfile.open(archive, "r:gz") as tar:
                    tar.extractall(path.parent, filter="data")
            except tarfile.FilterError as error:
                raise UnsafePathError(f"{container.uri}: {error}", advice="do not use this artifact") from error
            except (tarfile.TarError, OSError, EOFError) as error:
                raise KitOpsError(f"{container.uri}: the archive {blob.digest} cannot be unpacked: {error}") from error

    def _download(self, container: Any, blob: Descriptor, path: str) -> None:
        limits = self._registry_session.limits
        download_blob(self._of(container), blob, Path(path), cancel=self._cancel, limits=limits)

    def _blob(self, container: Any, digest: str) -> tuple[_Answer, Descriptor]:
        url = f"{self.prefix}://{container.get_blob_url(Digest(digest))}"
        answer = cast(_Answer, self.do_request(url, "HEAD"))
        self._check_200_response(answer)
        size = whole_number(answer.headers.get("Content-Length"))
        if size is None:
            raise RegistryResponseError(f"{container.uri}: the registry does not say how large {digest} is", status=200)
        return answer, Descriptor(oras.defaults.default_blob_media_type, Digest(digest), size)

    def _check_200_response(self, response: requests.Response) -> None:
        if response.status_code in _GOOD:
            return
        if not isinstance(response, _Answer):
            super()._check_200_response(response)
            return
        raise error_for(response.ours, operation=response.call.operation, reference=str(response.call.repository))

    def _stored(self, status: int, path: str, digest: Digest) -> requests.Response:
        response = requests.Response()
        response.status_code = status
        response.url = f"{self.prefix}://{path}"
        response.headers["Docker-Content-Digest"] = digest
        response._content = b""
        return response

    def _of(self, container: Any) -> RemoteRepository:
        return self._repository(container.api_prefix)

    def _repository(self, name: str) -> RemoteRepository:
        repository = self._open_repository(Reference(self.reference.registry, name))
        return cast(RemoteRepository, repository).stopped_by(self._cancel)

    def _elsewhere(self, target: str) -> InvalidReferenceError:
        return InvalidReferenceError(
            f"{target!r} is not in {self.reference.registry}, which this oras client is for",
            advice="ask for another one: client.oras(reference)",
        )


class _SessionAuth(oras.auth.base.AuthBackend):  # type: ignore[misc]  # oras has no types
    """Tells oras that authorization is done below it."""

    def get_auth_header(self) -> dict[str, str]:
        """Return no header: the session adds its own."""
        return {}

    def load_configs(self, container: Any, configs: list[str] | None = None) -> None:
        """Do nothing: the session looks credentials up by repository."""


class _Answer(requests.Response):
    """An answer of ours in the form that oras, and its users, know."""

    def __init__(self, response: Response, call: Call, body: Any = None) -> None:
        super().__init__()
        self.ours = response
        self.call = call
        self.status_code = response.status
        self.url = response.url
        self.request = requests.Request(call.method, response.url).prepare()
        for name, value in response.headers.items():
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        if body is not None or response.is_open:
            self.raw = body or _Body(response)
        else:
            self._content = response.content


class _Body(io.RawIOBase):
    """The body of an answer that is still on the wire, as a file."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._response.readinto(buffer)

    def close(self) -> None:
        self._response.close()
        super().close()


def _inside(folder: str, name: str) -> Path:
    root = Path(folder).resolve()
    path = (root / name).resolve()
    if root not in path.parents:
        raise UnsafePathError(f"the title {name!r} leads out of {folder}", advice="do not use this artifact")
    return path
