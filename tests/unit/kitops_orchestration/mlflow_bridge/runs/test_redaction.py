from __future__ import annotations

import base64
import time

import pytest

from kitops_orchestration.mlflow_bridge.runs.failures import first_line
from kitops_orchestration.mlflow_bridge.runs.redaction import REDACTED, clean_content, clean_value, redact

LOGIN = base64.b64encode(b"user:hunter2").decode()
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRW\n-----END RSA PRIVATE KEY-----"


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


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("notify https://hooks.slack.com/services/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", "kLm5NoP6"),
        ("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "XXXX"),
        ("https://acme.webhook.office.com/webhookb2/aa-bb@cc/IncomingWebhook/0123abcd/ee-ff", "0123abcd"),
        ("https://discordapp.com/api/webhooks/123456789012345678/short-one_0", "short-one"),
        ("curl -b x -H 'Cookie: session=abcdef123; other=ghi' https://x", "abcdef123"),
        ("set-cookie: session=abcdef123; Path=/", "abcdef123"),
        ("Driver=x;Server=y;UID=sa;PWD=hunter22;Encrypt=yes", "hunter22"),
        ("Driver={x}; Pwd={hunter;22}; Encrypt=yes", "hunter;22"),
        (
            "DefaultEndpointsProtocol=https;AccountName=m;AccountKey=" + "aB3/" * 21 + "aB==;EndpointSuffix=x",
            "aB3/aB3/",
        ),
        ("Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=" + "cD4+" * 10 + "cD4=", "cD4+"),
        ("npm_" + "aB3dE6gH9" * 4, "aB3dE6"),
        ("AIza" + "Sy3dE6g-_" * 3 + "abcd1234", "Sy3dE6"),
        ("sk_live_" + "aB3dE6gH9" * 3, "aB3dE6"),
        ("sk-proj-" + "aB3dE6gH9" * 4, "aB3dE6"),
        ("python train.py --token s3cr3t --epochs 3", "s3cr3t"),
        ("python train.py --verbose --hf-token=s3cr3t", "s3cr3t"),
        ("run --password 'correct horse' -x", "horse"),
        ("curl -H 'Authorization: Basic " + LOGIN + "'", LOGIN),
        ("header Basic " + LOGIN, LOGIN),
        ('{"auths": {"r.example": {"auth": "' + LOGIN + '"}}}', LOGIN),
        ("WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
        ("wandb login 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
        ("password: hunter2", "hunter2"),
        ("Server=tcp:db;User=sa;Password=hunter2;Timeout=5", "hunter2"),
        ('{"db_password": "hunter2"}', "hunter2"),
        (f"key:\n{KEY}\nend", "q83vEjRW"),
        ("cut off " + KEY[:60], "MIIE"),
        ("pip --extra-index-url https://bob:hunter2@pypi.example/simple", "hunter2"),
        ("http://[u:hunter2@h/x", "hunter2"),
    ],
)
def test_secrets_of_every_kind_leave_a_free_text(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in clean_value(text)


@pytest.mark.parametrize(
    "text",
    [
        "python train.py --max-tokens 512 --tokenizer bert --pad-token-id 0",
        "a basic classification, bearer of news; token: the smallest part of a text",
        "task=token-classification lr=0.1 max_tokens=many",
        "commit 0123456789abcdef0123456789abcdef01234567 sha256:" + "ab" * 32,
        "-----BEGIN CERTIFICATE-----\nMIIEowIBAAKCAQEA\n-----END CERTIFICATE-----",
        "sk-learn-logistic-regression-pipeline",
    ],
)
def test_what_is_no_secret_stays_to_the_letter(text: str) -> None:
    assert clean_value(text) == text


def test_a_private_key_goes_whole_and_the_text_around_it_stays() -> None:
    assert clean_value(f"before\n{KEY}\nbetween\n{KEY}\nafter") == f"before\n{REDACTED}\nbetween\n{REDACTED}\nafter"


def test_a_file_loses_passwords_and_keeps_variables() -> None:
    text = (
        "dependencies:\n- pip:\n  - --extra-index-url https://bob:hunter2@pypi.example/simple\n"
        "  - --index-url https://${USER}:${PASSWORD}@pypi.example/simple\n  - git+ssh://git@git.example/a.git\n"
    )
    assert clean_content(text) == text.replace("bob:hunter2@", "")


@pytest.mark.parametrize(
    "unit",
    ["a", "eyJ-", "eyJ.", "a://u:p", "://u:p@", "token ", "--token ", "--a", "?token=", "a=b=", '"a":"', "password: ",
     "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN ", "basic aaaaaaaa ", "a.", "wandb "],
)  # fmt: skip
def test_the_time_grows_with_the_length_of_a_text_and_not_with_its_square(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        start = time.process_time()
        clean_value(text)
        return time.process_time() - start

    clean_value(unit)
    assert seconds(128_000) < 8 * seconds(32_000) + 0.1


def test_the_line_of_an_error_that_is_shown_has_no_credentials() -> None:
    assert first_line(OSError("cannot reach ftp://bob:hunter2@h/x\nmore")) == "cannot reach ftp://h/x"
