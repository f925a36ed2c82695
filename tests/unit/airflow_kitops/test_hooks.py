from __future__ import annotations

import asyncio
import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, redact

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.masking import MaskedCredentials
from airflow_kitops.results import reference_text
from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.credentials import Credential, StaticCredentials
from kitops_orchestration.testing.registry import EmbeddedRegistry


def connect(monkeypatch: pytest.MonkeyPatch, **fields: object) -> KitOpsHook:
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_TEST", json.dumps({"conn_type": "kitops", **fields}))
    return KitOpsHook("kitops_test")


def test_a_registry_that_answers_passes_the_connection_test(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedRegistry(auth="basic") as registry:
        hook = connect(monkeypatch, host=registry.host, login=registry.username, password=registry.password)
        assert hook.test_connection() == (True, f"{registry.host} answers")


def test_a_token_registry_takes_user_name_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedRegistry(auth="token") as registry:
        hook = connect(monkeypatch, host=registry.host, login=registry.username, password=registry.password)
        assert hook.test_connection()[0]


def test_a_wrong_password_fails_the_connection_test_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedRegistry(auth="basic") as registry:
        hook = connect(monkeypatch, host=registry.host, login=registry.username, password="not-the-password")
        is_good, message = hook.test_connection()
        assert not is_good
        assert "not-the-password" not in message


def test_a_folder_registry_passes_the_connection_test(registry: str) -> None:
    assert KitOpsHook().test_connection() == (True, f"{registry} answers")


def test_a_connection_without_a_registry_fails_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    is_good, message = connect(monkeypatch, extra={"auth_type": "anonymous"}).test_connection()
    assert not is_good
    assert "registry" in message


def test_a_field_of_the_connection_that_cannot_be_read_fails_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    is_good, message = connect(monkeypatch, host="ghcr.io", extra={"auth_type": "kerberos"}).test_connection()
    assert not is_good
    assert "kerberos" in message


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("iris:v1", "ghcr.io/team/iris:v1"),
        ("ghcr.io/other/iris:v1", "ghcr.io/other/iris:v1"),
        ("quay.io/iris:v1", "quay.io/iris:v1"),
        ("file:///models/iris:v1", "file:///models/iris:v1"),
        ({"reference": "iris:v1", "digest": "x"}, "ghcr.io/team/iris:v1"),
    ],
)
def test_a_reference_is_completed_with_registry_and_namespace(
    text: object, completed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(monkeypatch, host="ghcr.io", extra={"namespace": "team"})
    assert str(hook.complete(text)) == completed


def test_without_a_default_connection_references_name_their_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_KITOPS_DEFAULT", raising=False)
    assert str(KitOpsHook().complete("file:///models/iris:v1")) == "file:///models/iris:v1"


def test_a_verb_fails_for_good_where_a_retry_cannot_help(registry: str) -> None:
    with pytest.raises(AirflowFailException, match="team/iris"):
        KitOpsHook().resolve("team/iris:absent")


def test_secrets_are_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(monkeypatch, host="ghcr.io", login="me", password="geheim-1234")
    assert "geheim" not in repr((hook, hook.settings, hook.client, vars(hook.settings.credentials)))


def test_what_credentials_turn_into_is_masked() -> None:
    minted = []

    class Listening(MaskedCredentials):
        def minted(self, token: str) -> None:
            minted.append(token)
            super().minted(token)

    with EmbeddedRegistry(auth="token") as registry:
        secret = Credential(username=registry.username, password=registry.password)
        KitClient(registry.host, credentials=Listening(StaticCredentials({registry.host: secret}))).check()
    assert minted
    assert redact(f"{minted[0]} {secret.basic} {secret.password}") == "*** Basic *** ***"


def test_the_text_of_a_reference_is_taken_from_a_tasks_result() -> None:
    assert reference_text({"reference": "iris:v1"}) == reference_text("iris:v1") == "iris:v1"


def test_each_line_of_a_signing_key_is_masked(signing_connection) -> None:
    key = KitOpsHook().settings.signing_private_key
    assert key is not None
    assert [line for line in key.splitlines()[1:-1] if redact(f"read {line}") != "read ***"] == []


def test_the_verbs_for_event_loops_do_what_their_twins_do(registry: str, context_dir, tmp_path) -> None:
    hook = KitOpsHook()

    async def work() -> list[str]:
        packed = await hook.apack(context_dir, "team/iris:v1")
        await hook.apush("team/iris:v1", "prod/iris:v1")
        await hook.apull("prod/iris:v1", "mirror/iris:v1")
        await hook.apromote("team/iris:v1", stage="staging")
        unpacked = await hook.aunpack("mirror/iris:v1", tmp_path / "out", filters=["model"])
        kit = await hook.ainspect("team/iris:staging")
        lineage = await hook.alineage("team/iris:staging")
        resolved = await hook.aresolve("prod/iris:v1")
        assert {str(item) for item in (unpacked.reference.digest, kit.digest, lineage.digest, resolved.digest)} == {
            str(packed.digest)
        }
        with pytest.raises(AirflowFailException, match="key or a trust policy"):
            await hook.averify("team/iris:v1")
        return await hook.atags("team/iris")

    assert asyncio.run(work()) == ["staging", "v1"]
    assert (tmp_path / "out" / "model.bin").exists()
