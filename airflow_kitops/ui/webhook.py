"""Where MLflow's webhooks come in: ``/kitops/mlflow/webhook``, only when a connection and its secret are configured.

A plugin's routes have no authentication of Airflow's: the signature is all there is.  So nothing of a request is used,
and no more than a bounded part of it is read, before the signature is right.  A message tells nothing by itself: it
wakes the watchers of its model, which look and tell what they find, once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from airflow_kitops._compat import AirflowException
from airflow_kitops.configuration import webhook_conn_id
from airflow_kitops.hooks import MLflowHook
from airflow_kitops.triggers.mlflow import WAKE_KEY, MLflowModelTrigger
from kitops_orchestration.errors import KitOpsError, OptionError, SignatureError
from kitops_orchestration.mlflow_bridge.events.webhook import (
    MAX_BODY_BYTES,
    Deliveries,
    check_webhook,
    model_of_webhook,
)

log = logging.getLogger(__name__)

Wake = Callable[[str, str, str], int]
"""Connection, model and delivery to the number of watchers that were woken."""
_BODY_SECONDS = 10
_SECRET_SECONDS = 30
"""So long the secret is remembered: nobody without it can have the connection looked up again and again."""
_MOST_AT_ONCE = 16
"""So many messages are judged at a time, in each process: each takes one of the threads that all of the API server
shares."""
_MOST_READ = 128
"""So many bodies are read at a time.  Anybody may send slow ones, unsigned: that many are still little memory."""
_CLASSPATH = f"airflow_kitops.triggers.{MLflowModelTrigger.__qualname__}"


def wake_watchers(mlflow_conn_id: str, model: str, delivery: str) -> int:
    """Have every watcher of a model look at once; return how many assets that are."""
    # Not all of these are there before Airflow 3.3: the route says so, and has to be there to say it.
    from airflow.models.asset import AssetWatcherModel
    from airflow.state import AssetScope, get_state_backend

    woken = set()
    with create_session() as session:
        watched = select(AssetWatcherModel.asset_id, Trigger).join(Trigger, AssetWatcherModel.trigger_id == Trigger.id)
        for asset_id, trigger in session.execute(watched.where(Trigger.classpath == _CLASSPATH)):
            given = trigger.kwargs
            if (given.get("mlflow_conn_id"), given.get("model")) == (mlflow_conn_id, model):
                woken.add(asset_id)
        for asset_id in woken:
            get_state_backend().set(AssetScope(asset_id=asset_id), WAKE_KEY, json.dumps(delivery), session=session)
    return len(woken)


class WebhookReceiver:
    """Takes MLflow's messages: right, in time, and each once."""

    def __init__(self, wake: Wake = wake_watchers) -> None:
        self._wake = wake
        self._deliveries = Deliveries()
        self._secret: tuple[str, str | None, float] | None = None
        self._at_once = 0
        self._read = 0

    async def receive(self, request: Request) -> JSONResponse:
        """Answer one request.

        404 while nothing is configured, 401 for what MLflow did not sign just now, 413 and 408 for a body that is too
        long or too slow, 503 while too many are here.  MLflow repeats a delivery after 503 and no other of these.
        """
        conn_id = webhook_conn_id()
        if conn_id is None:
            return _answer(404, "no webhook is configured")
        if not {"x-mlflow-signature", "x-mlflow-timestamp", "x-mlflow-delivery-id"} <= set(request.headers):
            return _answer(401, "the message is not signed")
        if self._read >= _MOST_READ:  # one event loop: nothing comes between this and the next line
            return _answer(503, "too many messages at once", retry_after=2)
        self._read += 1
        try:
            body = await _bounded_body(request)
        finally:
            self._read -= 1
        if isinstance(body, JSONResponse):
            return body
        if self._at_once >= _MOST_AT_ONCE:
            return _answer(503, "too many messages at once", retry_after=2)
        self._at_once += 1
        try:
            return await run_in_threadpool(self._take, conn_id, dict(request.headers), body)
        finally:
            self._at_once -= 1

    def _take(self, conn_id: str, headers: Mapping[str, str], body: bytes) -> JSONResponse:
        try:
            secret = self._secret_of(conn_id)
        except SQLAlchemyError:
            log.exception("cannot read the connection %s", conn_id)
            return _answer(503, "Airflow's database does not answer")
        if not secret:
            return _answer(404, "no webhook is configured")
        try:
            delivery = check_webhook(secret, headers, body)
        except SignatureError as error:
            log.warning("a webhook was refused: %s", error)
            return _answer(401, "the signature is wrong, or the message is not of the last five minutes")
        if self._deliveries.is_taken(delivery):
            return _answer(200, "taken before")
        try:
            model = model_of_webhook(body)
            woken = self._wake(conn_id, model, delivery) if model is not None else 0
        except OptionError as error:
            return _answer(400, str(error))
        except ImportError:
            return _answer(501, "webhooks need Airflow 3.3")
        except SQLAlchemyError:
            log.exception("cannot wake the watchers of %s", model)
            return _answer(503, "Airflow's database does not answer")
        self._deliveries.take(delivery)
        return _answer(202, f"{woken} watchers look now")

    def _secret_of(self, conn_id: str) -> str | None:
        known = self._secret
        if known is not None and known[0] == conn_id and known[2] > time.monotonic():
            return known[1]
        try:
            settings = MLflowHook(conn_id).settings
            secret = settings.webhook_secret if settings is not None else None
        except (AirflowException, KitOpsError) as error:
            log.warning("webhooks are refused: %s", error)
            secret = None
        self._secret = (conn_id, secret, time.monotonic() + _SECRET_SECONDS)
        return secret


async def _bounded_body(request: Request) -> bytes | JSONResponse:
    too_long = _answer(413, f"the message is longer than {MAX_BODY_BYTES} bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > MAX_BODY_BYTES:
        return too_long
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    return too_long
    except (TimeoutError, ClientDisconnect):
        return _answer(408, "the message did not come to its end")
    return bytes(body)


def _answer(status: int, text: str, *, retry_after: int | None = None) -> JSONResponse:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return JSONResponse({"detail": text}, status_code=status, headers=headers)


def create_webhook_app(wake: Wake = wake_watchers) -> Any:
    """Make the application that Airflow's API server mounts."""
    app = FastAPI(title="MLflow webhooks", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.post("/webhook", response_model=None)(WebhookReceiver(wake).receive)
    return app
