"""Only MLflow gets in: with the right secret, in time, and once."""

from __future__ import annotations

import contextlib
import hmac
import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import OptionError, SignatureError
from kitops_orchestration.mlflow_bridge.events.webhook import (
    TOLERANCE_SECONDS,
    Deliveries,
    check_webhook,
    model_of_webhook,
)

NOW = 1_700_000_000
SECRET = "a-shared-secret"
BODY = json.dumps(
    {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "data": {"name": "wine", "alias": "champion", "version": "2"},
    }
).encode()


def signed(body: bytes = BODY, *, secret: str = SECRET, stamp: object = NOW, delivery: str = "d-1") -> dict[str, str]:
    text = f"{delivery}.{stamp}.".encode() + body
    signature = b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": str(stamp),
        "X-MLflow-Signature": f"v1,{signature}",
    }


def test_a_message_of_mlflow_is_taken_and_names_its_model() -> None:
    assert check_webhook(SECRET, signed(), BODY, now=NOW) == "d-1"
    assert model_of_webhook(BODY) == "wine"


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        pytest.param(signed(secret="another"), BODY, NOW, id="another secret"),
        pytest.param(signed(secret=""), BODY, NOW, id="an empty secret"),
        pytest.param(signed(), BODY.replace(b"wine", b"beer"), NOW, id="another body"),
        pytest.param(signed(), BODY + b" ", NOW, id="a longer body"),
        pytest.param(signed(), BODY, NOW + TOLERANCE_SECONDS + 1, id="replayed later"),
        pytest.param(signed(stamp=NOW + TOLERANCE_SECONDS + 1), BODY, NOW, id="from the future"),
        pytest.param({**signed(), "X-MLflow-Timestamp": str(NOW + 1)}, BODY, NOW, id="another time"),
        pytest.param({**signed(), "X-MLflow-Delivery-Id": "d-2"}, BODY, NOW, id="another delivery"),
        pytest.param(signed(stamp="-1"), BODY, NOW, id="no time"),
        pytest.param(signed(stamp="١٧٠٠٠٠٠٠٠٠"), BODY, NOW, id="digits of another script"),
        pytest.param(signed(stamp="9" * 5000), BODY, NOW, id="a number without end"),
        pytest.param(signed(delivery=f"d.{NOW}", stamp=NOW), BODY, NOW, id="a delivery with a dot"),
        pytest.param(signed(delivery="x" * 65), BODY, NOW, id="a delivery without end"),
        pytest.param({**signed(), "X-MLflow-Signature": "v1,é"}, BODY, NOW, id="a signature not in ASCII"),
        pytest.param({**signed(), "X-MLflow-Signature": signed()["X-MLflow-Signature"][3:]}, BODY, NOW, id="no v1"),
        *[pytest.param(without(signed(), name), BODY, NOW, id=f"without {name}") for name in signed()],
        pytest.param({}, BODY, NOW, id="without headers"),
    ],
)
def test_anything_else_is_refused_with_one_text(headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(SignatureError, match="signature is wrong, or it is not of the last five minutes") as caught:
        check_webhook(SECRET, headers, body, now=now)
    assert SECRET not in str(caught.value)


def test_without_a_secret_nothing_gets_in() -> None:
    with pytest.raises(SignatureError, match="no secret is configured"):
        check_webhook("", signed(secret=""), BODY, now=NOW)


def test_a_signed_text_cannot_be_cut_in_another_way() -> None:
    """``id.time.body``: nobody moves a dot from one part to the next."""
    headers = signed(b"5.{}", stamp=NOW)
    with pytest.raises(SignatureError):
        check_webhook(
            SECRET, {**headers, "X-MLflow-Delivery-Id": f"d-1.{NOW}", "X-MLflow-Timestamp": "5"}, b"{}", now=5
        )


@given(st.binary(max_size=200))
def test_a_body_of_any_bytes_is_a_message_or_is_told(body: bytes) -> None:
    with contextlib.suppress(OptionError):
        model_of_webhook(body)


@pytest.mark.parametrize(
    "message",
    [[], "text", 1, None, {"entity": "registered_model"}, {"entity": "registered_model", "data": {"name": 3}},
     {"entity": "registered_model", "data": []}, {"entity": "registered_model", "data": {"name": ""}},
     {"entity": ["registered_model"], "data": {}}],
)  # fmt: skip
def test_what_is_no_message_of_mlflow_is_told(message: object) -> None:
    with pytest.raises(OptionError):
        model_of_webhook(json.dumps(message).encode())


def test_brackets_without_end_are_told() -> None:
    with pytest.raises(OptionError):
        model_of_webhook(b"[" * 100_000)


def test_a_message_about_something_else_names_no_model() -> None:
    assert model_of_webhook(json.dumps({"entity": "prompt", "data": {"name": "greeting"}}).encode()) is None


def test_a_delivery_is_taken_once() -> None:
    deliveries = Deliveries()
    assert not deliveries.is_taken("d-1")
    deliveries.take("d-1")
    assert deliveries.is_taken("d-1")
    assert not deliveries.is_taken("d-2")
