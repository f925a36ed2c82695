"""MLflow's webhooks: is it MLflow that speaks, is it fresh, and of which model.

A message starts a look at the registry and is never itself the event: MLflow delivers at most once, in any order, and
says the same again when nothing changed.
"""

from __future__ import annotations

import hmac
import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from kitops_orchestration.errors import OptionError, SignatureError

MAX_BODY_BYTES = 1024 * 1024
"""MLflow's largest message is a model's description and tags."""
TOLERANCE_SECONDS = 300
"""How old a message may be.  MLflow repeats one that was not taken, with the time of the first attempt."""
_DELIVERY = re.compile(r"[0-9A-Za-z-]{1,64}")  # no dot: the signed text must fall apart in one way only
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_OF_MODELS = frozenset({"registered_model", "model_version", "model_version_tag", "model_version_alias"})


def check_webhook(secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> str:
    """Check the signature and the age of a message, before anything of it is read; return its delivery id.

    Args:
        secret: What the webhook was made with in MLflow.
        headers: Of the request, in any case of letters.
        body: As it came.
        now: Seconds since the epoch; for tests.

    Raises:
        SignatureError: it is not signed with this secret, or not of the last five minutes.
    """
    if not secret:
        raise SignatureError("no secret is configured for webhooks", advice="make the webhook in MLflow with a secret")
    found = {name.lower(): value for name, value in headers.items()}
    delivery, stamp, signature = (
        found.get(f"x-mlflow-{name}", "") for name in ("delivery-id", "timestamp", "signature")
    )
    is_formed = bool(_DELIVERY.fullmatch(delivery) and _TIMESTAMP.fullmatch(stamp))
    signed = f"{delivery}.{stamp}.".encode(errors="surrogateescape") + body
    right = b"v1," + b64encode(hmac.new(secret.encode(), signed, "sha256").digest())
    # All is computed before anything is compared: how long it takes says nothing about what was wrong.
    is_right = hmac.compare_digest(right, signature.encode(errors="surrogateescape"))
    is_fresh = is_formed and abs((time.time() if now is None else now) - int(stamp)) <= TOLERANCE_SECONDS
    if not (is_formed and is_right and is_fresh):
        raise SignatureError(
            "the webhook's signature is wrong, or it is not of the last five minutes",
            advice="use the secret that the webhook was made with in MLflow, and compare the clocks",
        )
    return delivery


def model_of_webhook(body: bytes) -> str | None:
    """Return the registered model that a message is about; ``None`` for one about something else.

    Raises:
        OptionError: it is no message of MLflow.
    """
    try:
        message: Any = json.loads(body)
        entity, data = message["entity"], message["data"]
        if entity not in _OF_MODELS:
            return None
        name = data["name"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError("the webhook's body is no message of MLflow") from error
    if not isinstance(name, str) or not name:
        raise OptionError("the webhook's body names no model")
    return name


class Deliveries:
    """The deliveries that were taken, as long as they could be sent again by somebody who listened."""

    def __init__(self) -> None:
        self._taken: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_taken(self, delivery: str) -> bool:
        """Tell whether it was taken before."""
        with self._lock:
            return self._taken.get(delivery, 0) > time.monotonic()

    def take(self, delivery: str) -> None:
        """Remember one whose signature was right; others take no room."""
        now = time.monotonic()
        with self._lock:
            self._taken = {known: end for known, end in self._taken.items() if end > now}
            self._taken[delivery] = now + 2 * TOLERANCE_SECONDS  # its time may lie ahead of our clock
