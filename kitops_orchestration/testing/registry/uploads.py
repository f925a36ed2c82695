"""Blob uploads of the embedded registry: sessions with POST, PATCH, PUT, status and cancel.

Source: distribution-spec v1.1, "Pushing blobs".
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import BinaryIO, cast
from urllib.parse import urlencode

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.testing.registry.behaviour import Behaviour
from kitops_orchestration.testing.registry.exchange import PIECE_BYTES, DroppedConnectionError, Exchange
from kitops_orchestration.testing.registry.storage import Storage


@dataclass(slots=True)
class _Session:
    name: str
    file: BinaryIO
    size: int = 0
    had_short_chunk: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Uploads:
    """The sessions, and the routes below ``/blobs/uploads/``."""

    def __init__(self, storage: Storage, behaviour: Behaviour, foreign_host: str) -> None:
        self._storage = storage
        self._behaviour = behaviour
        self._foreign_host = foreign_host
        self._sessions: dict[str, _Session] = {}

    def lose_all(self) -> None:
        """Forget every upload in progress, as a registry that restarts does."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.file.close()

    @property
    def open_count(self) -> int:
        """Uploads begun and neither finished nor cancelled."""
        return len(self._sessions)

    def start(self, exchange: Exchange, name: str) -> None:
        """Answer POST: mount a blob, take a whole one, or open a session."""
        if "mount" in exchange.query and self._mount(exchange, name):
            return
        session_id = secrets.token_hex(16)
        self._sessions[session_id] = _Session(name, self._storage.upload_file())
        if "digest" in exchange.query:
            self._put(exchange, session_id)
            return
        exchange.read_body()
        exchange.send(202, headers=self._headers(exchange, session_id))

    def serve(self, exchange: Exchange, name: str, session: str) -> None:
        """Answer GET, PATCH, PUT and DELETE of a session."""
        if exchange.fault is not None and exchange.fault.loses_upload:
            self._sessions.pop(session, None)
        found = self._sessions.get(session)
        if found is None or found.name != name:
            exchange.send_error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")
        elif exchange.method == "GET":
            exchange.send(204, headers=self._headers(exchange, session))
        elif exchange.method == "DELETE":
            self._sessions.pop(session).file.close()
            exchange.send(204)
        elif exchange.method == "PATCH":
            self._patch(exchange, session)
        elif exchange.method == "PUT":
            self._put(exchange, session)
        else:
            exchange.send_error(405, "UNSUPPORTED", "method not allowed")

    def _mount(self, exchange: Exchange, name: str) -> bool:
        digest, origin = _digest(exchange.query["mount"]), exchange.query.get("from")
        if not self._behaviour.mounts or digest is None or origin is None:
            return False
        content = self._storage.open_blob(origin, digest)
        if content is None:
            return False
        with content, self._storage.upload_file() as copy:
            while data := content.read(PIECE_BYTES):
                copy.write(data)
            self._storage.put_blob(name, digest, copy)
        exchange.send(201, headers={"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})
        return True

    def _patch(self, exchange: Exchange, session_id: str) -> None:
        session = self._sessions[session_id]
        length = exchange.content_length or 0
        if self._behaviour.refuses_chunks:
            exchange.send_error(405, "UNSUPPORTED", "chunked uploads are not supported")
        elif self._behaviour.max_chunk_bytes is not None and length > self._behaviour.max_chunk_bytes:
            exchange.send_error(416, "BLOB_UPLOAD_INVALID", "chunk too large", self._headers(exchange, session_id))
        elif session.had_short_chunk:
            exchange.send_error(400, "BLOB_UPLOAD_INVALID", "a chunk before the last was shorter than allowed")
        elif self._is_at_offset(exchange, session_id):
            added = self._append(exchange, session_id)
            session.had_short_chunk = added < (self._behaviour.min_chunk_bytes or 0)
            exchange.send(202, headers=self._headers(exchange, session_id))

    def _put(self, exchange: Exchange, session_id: str) -> None:
        digest = _digest(exchange.query.get("digest", ""))
        if digest is None:
            exchange.send_error(400, "DIGEST_INVALID", "no digest, or not one")
            return
        if not self._is_at_offset(exchange, session_id):
            return
        self._append(exchange, session_id)
        session = self._sessions.pop(session_id)
        with session.file:
            if _hash(session.file, digest.algorithm) != digest.hex:
                exchange.send_error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
                return
            self._storage.put_blob(session.name, digest, session.file)
        exchange.send(201, headers={"Location": f"/v2/{session.name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _is_at_offset(self, exchange: Exchange, session_id: str) -> bool:
        given = re.fullmatch(r"(?:bytes[ =])?(\d+)-(\d+).*", exchange.headers.get("Content-Range", ""))
        if given is None or int(given[1]) == self._sessions[session_id].size:
            return True
        exchange.send_error(416, "BLOB_UPLOAD_INVALID", "out of order", self._headers(exchange, session_id))
        return False

    def _append(self, exchange: Exchange, session_id: str) -> int:
        session = self._sessions[session_id]
        before = session.size
        try:
            with session.lock:
                session.file.seek(session.size)
                for data in exchange.body():
                    session.size += session.file.write(data)
        except (DroppedConnectionError, OSError):
            if self._behaviour.loses_aborted_uploads:
                self._sessions.pop(session_id, None)
            raise
        return session.size - before

    def _headers(self, exchange: Exchange, session_id: str) -> dict[str, str]:
        session = self._sessions[session_id]
        last = 0 if self._behaviour.reports_stuck_range else max(0, session.size - 1)
        # A new state in every answer: a client that goes on with an old Location is wrong.
        path = f"/v2/{session.name}/blobs/uploads/{session_id}?{urlencode({'_state': secrets.token_hex(4)})}"
        host = self._foreign_host if self._behaviour.upload_location == "foreign" else exchange.host
        headers = {
            "Location": path if self._behaviour.upload_location == "relative" else f"http://{host}{path}",
            "Range": f"0-{last}",
            "Docker-Upload-UUID": session_id,
        }
        if self._behaviour.min_chunk_bytes is not None:
            headers["OCI-Chunk-Min-Length"] = str(self._behaviour.min_chunk_bytes)
        return headers


def _digest(text: str) -> Digest | None:
    try:
        return Digest(text)
    except KitOpsError:
        return None


def _hash(file: BinaryIO, algorithm: str) -> str:
    file.seek(0)
    return hashlib.file_digest(cast(io.BytesIO, file), algorithm).hexdigest()
