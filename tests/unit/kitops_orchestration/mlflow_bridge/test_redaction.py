from __future__ import annotations

import pytest

from kitops_orchestration.mlflow_bridge.redaction import REDACTED, clean_value, redact


@pytest.mark.parametrize(
    "key",
    ["api_token", "HF_TOKEN", "accessToken", "db_password", "client.secret", "AWS_SECRET_ACCESS_KEY", "openai_api_key",
     "mlflow.databricks.cluster.info", "mlflow.source.git.diff", "Connection_String", "authToken", "secretary"],
)  # fmt: skip
def test_keys_that_name_a_secret_lose_their_value(key: str) -> None:
    clean, taken = redact({key: "hunter2", "C": "1.0"})
    assert clean == {key: REDACTED, "C": "1.0"}
    assert taken == (key,)


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_tokens", "512"), ("pad_token_id", "0"), ("eos_token", "</s>"), ("tokenizer", "bert"), ("numTokens", "many"),
     ("token_budget", "1e6"), ("use_token", "True")],
)  # fmt: skip
def test_parameters_of_language_models_survive(key: str, value: str) -> None:
    assert redact({key: value}) == ({key: value}, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:pw@git.example/repo.git", "https://git.example/repo.git"),
        ("see https://u:p@h.example/x and more", "see https://h.example/x and more"),
        ("postgresql://u:p@db.example:5432/m", "postgresql://db.example:5432/m"),
        ("https://s.example/f?X-Amz-Signature=abc&v=1", f"https://s.example/f?X-Amz-Signature={REDACTED}&v=1"),
        ("https://s.example/f?v=1", "https://s.example/f?v=1"),
        ("key AKIAABCDEFGHIJKLMNOP here", f"key {REDACTED} here"),
        ("ghp_" + "a" * 36, REDACTED),
        ("plain text", "plain text"),
    ],
)
def test_values_lose_credentials_wherever_they_stand(text: str, expected: str) -> None:
    assert clean_value(text) == expected
