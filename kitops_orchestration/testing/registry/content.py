"""Blobs, manifests, tags and referrers of the embedded registry.

Source: distribution-spec v1.1, "Pull", "Content Discovery" and "Content Management".
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from kitops_orchestration.errors import IntegrityError, KitOpsError
from kitops_orchestration.oci import manifest, media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Node
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import is_referrer_tag
from kitops_orchestration.testing.registry.behaviour import Behaviour
from kitops_orchestration.testing.registry.exchange import Exchange
from kitops_orchestration.testing.registry.storage import Storage

MAX_MANIFEST_BYTES = 4 * 1024 * 1024


class Content:
    """The routes that read and write what the registry holds."""

    def __init__(self, storage: Storage, behaviour: Behaviour, foreign_host: str) -> None:
        self._storage = storage
        self._behaviour = behaviour
        self._foreign_host = foreign_host

    def catalog(self, exchange: Exchange) -> None:
        """Answer ``/v2/_catalog``."""
        exchange.send_json(200, {"repositories": self._storage.repositories()})

    def blob(self, exchange: Exchange, name: str, digest: str) -> None:
        """Answer HEAD, GET (with Range) and DELETE of a blob."""
        stream = self._storage.open_blob(name, Digest(digest))
        if stream is None:
            exchange.send_error(404, "BLOB_UNKNOWN", "blob unknown to registry")
            return
        with stream:
            if exchange.method == "DELETE":
                self._delete_blob(exchange, name, Digest(digest))
            elif self._behaviour.redirects_blobs and exchange.method == "GET" and exchange.host != self._foreign_host:
                address = f"http://{self._foreign_host}{exchange.path}?signature=embedded"
                exchange.send(307, headers={"Location": address})
            else:
                self._send_blob(exchange, stream, digest)

    def _delete_blob(self, exchange: Exchange, name: str, digest: Digest) -> None:
        if self._refuses_delete(exchange):
            return
        self._storage.delete_blob(name, digest)
        exchange.send(202)

    def _send_blob(self, exchange: Exchange, stream: Any, digest: str) -> None:
        size = stream.seek(0, io.SEEK_END)
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "ETag": f'"{digest}"',
            "Accept-Ranges": "bytes" if self._behaviour.ranges else "none",
        }
        asked = exchange.headers.get("Range") if self._behaviour.ranges else None
        span = _span(asked, size) if asked else (0, size)
        if span is None:
            exchange.send_error(416, "UNSUPPORTED", "range not satisfiable", {"Content-Range": f"bytes */{size}"})
            return
        start, end = span
        stream.seek(start)
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        exchange.send(206 if asked else 200, headers=headers, body=stream, length=end - start)

    def manifest(self, exchange: Exchange, name: str, target: str) -> None:
        """Answer HEAD, GET, PUT and DELETE of a manifest by tag or digest."""
        Reference(exchange.host, name, *((None, Digest(target)) if ":" in target else (target,)))
        if exchange.method == "PUT":
            self._put_manifest(exchange, name, target)
        elif exchange.method == "DELETE":
            self._delete_manifest(exchange, name, target)
        else:
            node = self._storage.manifest(name, target)
            if node is None:
                exchange.send_error(404, "MANIFEST_UNKNOWN", "manifest unknown to registry")
                return
            headers = {"Content-Type": node.media_type, "Docker-Content-Digest": node.digest}
            exchange.send(200, headers=headers, body=node.content)

    def _put_manifest(self, exchange: Exchange, name: str, target: str) -> None:
        content = exchange.read_body()
        tag = None if ":" in target else target
        if len(content) > MAX_MANIFEST_BYTES:
            exchange.send_error(413, "SIZE_INVALID", "manifest too large")
            return
        if tag is not None and self._is_immutable(name, tag):
            exchange.send_error(409, "DENIED", f"tag {tag} is immutable")
            return
        try:
            node = manifest.parse(content, exchange.headers.get("Content-Type"), expected=None if tag else target)
        except IntegrityError as error:
            exchange.send_error(400, "DIGEST_INVALID", str(error))
            return
        except KitOpsError as error:
            exchange.send_error(400, "MANIFEST_INVALID", str(error))
            return
        missing = self._missing(name, node)
        if missing:
            exchange.send_error(400, "MANIFEST_BLOB_UNKNOWN", f"unknown to registry: {missing}")
            return
        self._storage.put_manifest(name, node, tag)
        headers = {"Location": f"/v2/{name}/manifests/{node.digest}", "Docker-Content-Digest": node.digest}
        if node.subject is not None and self._sends_subject:
            headers["OCI-Subject"] = node.subject.digest
        exchange.send(201, headers=headers)

    @property
    def _sends_subject(self) -> bool:
        forced = self._behaviour.subject_header
        return self._behaviour.referrers_api if forced is None else forced

    def _is_immutable(self, name: str, tag: str) -> bool:
        is_there = self._behaviour.immutable_tags and self._storage.manifest(name, tag) is not None
        return is_there and not is_referrer_tag(tag)

    def _missing(self, name: str, node: Node) -> str | None:
        if isinstance(node, Index):
            found = (child.digest for child in node.manifests if self._storage.manifest(name, child.digest) is None)
            return next(found, None)
        for blob in node.blobs:
            stream = self._storage.open_blob(name, blob.digest)
            if stream is None:
                return blob.digest
            stream.close()
        return None

    def _delete_manifest(self, exchange: Exchange, name: str, target: str) -> None:
        if self._refuses_delete(exchange):
            return
        if ":" in target:
            is_done = self._storage.delete_manifest(name, Digest(target))
        elif self._behaviour.deletes_tags:
            is_done = self._storage.delete_tag(name, target)
        else:
            exchange.send_error(400, "DIGEST_INVALID", "deletion needs a digest")
            return
        if is_done:
            exchange.send(202)
        else:
            exchange.send_error(404, "MANIFEST_UNKNOWN", "manifest unknown to registry")

    def _refuses_delete(self, exchange: Exchange) -> bool:
        if not self._behaviour.deletes:
            exchange.send_error(405, "UNSUPPORTED", "deletion is disabled")
        return not self._behaviour.deletes

    def tags(self, exchange: Exchange, name: str) -> None:
        """Answer the list of tags, in pages."""
        tags = self._storage.tags(name)
        if tags is None:
            exchange.send_error(404, "NAME_UNKNOWN", "repository name not known to registry")
            return
        last = exchange.query.get("last")
        rest = [tag for tag in tags if last is None or tag > last]
        count = self._count(exchange)
        page, headers = self._page(exchange, rest, count, {"last": rest[count - 1] if 0 < count <= len(rest) else ""})
        exchange.send_json(200, {"name": name, "tags": page}, headers)

    def referrers(self, exchange: Exchange, name: str, digest: str) -> None:
        """Answer the index of referrers, in pages, filtered when asked to."""
        if not self._behaviour.referrers_api:
            exchange.send(404, headers={"Content-Type": "text/plain"}, body=b"404 page not found\n")
            return
        if not self._behaviour.knows_unused_names and self._storage.tags(name) is None:
            exchange.send_error(404, "NAME_UNKNOWN", "repository name not known to registry")
            return
        found = self._storage.referrers(name, Digest(digest))
        wanted = exchange.query.get("artifactType")
        if wanted:
            found = [item for item in found if item.artifact_type == wanted]
        start = int(exchange.query.get("from", 0))
        rest: Sequence[Descriptor] = found[start:]
        count = self._count(exchange)
        page, headers = self._page(exchange, rest, count, {"from": str(start + count)})
        headers["Content-Type"] = media_types.INDEX
        if wanted:
            headers["OCI-Filters-Applied"] = "artifactType"
        exchange.send(200, headers=headers, body=Index.build(page).content)

    def _count(self, exchange: Exchange) -> int:
        return min(int(exchange.query.get("n", self._behaviour.page_size)), self._behaviour.page_size)

    def _page(
        self, exchange: Exchange, rest: Sequence[Any], count: int, more: dict[str, str]
    ) -> tuple[list[Any], dict[str, str]]:
        if len(rest) <= count:
            return list(rest), {}
        query = {key: value for key, value in exchange.query.items() if key not in ("last", "from")}
        path = f"{exchange.path}?{urlencode({**query, **more})}"
        host = {"relative": "", "absolute": f"http://{exchange.host}", "foreign": f"http://{self._foreign_host}"}
        return list(rest[:count]), {"Link": f'<{host[self._behaviour.link]}{path}>; rel="next"'}


def _span(text: str, size: int) -> tuple[int, int] | None:
    """Return ``(start, end)`` of one byte range; ``None`` when it lies outside."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if match is None or not (match[1] or match[2]):
        return (0, size)
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    return (start, end) if start < end else None
