from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, redact

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.hooks.masking import MaskedCredentials
from airflow_kitops.results import reference_text
from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
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


def test_the_hooks_client_gives_out_oras_with_the_credentials_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.md").write_text("# Notes\n")
    with EmbeddedRegistry(auth="token") as registry:
        hook = connect(monkeypatch, host=registry.host, login=registry.username, password=registry.password)
        oras = hook.client.oras("team/notes:v1")
        oras.push("team/notes:v1", files=["notes.md"])
        (arrived,) = oras.pull("team/notes:v1", outdir=str(tmp_path / "out"))
    assert Path(arrived).read_text() == "# Notes\n"


def test_a_folder_registry_passes_the_connection_test(registry: str, put_tag) -> None:
    put_tag("v1", "content")
    assert KitOpsHook().test_connection() == (True, f"{registry} answers")


def test_the_connection_test_says_which_part_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    extra = {"retries": 0}
    with EmbeddedRegistry(auth="basic") as registry:
        wrong = connect(monkeypatch, host=registry.host, login=registry.username, password="not-it", extra=extra)
        assert wrong.test_connection()[1].startswith("credentials: ")
        has_no_tls = connect(monkeypatch, host=f"https://{registry.host}", extra=extra)
        assert has_no_tls.test_connection()[1].startswith("TLS: ")
    gone = connect(monkeypatch, host=registry.host, extra=extra)
    assert gone.test_connection()[1].startswith("host: ")
    folder = connect(monkeypatch, host=f"file://{tmp_path}/nobody-made-it")
    assert folder.test_connection()[1].startswith("host: there is no folder")
    form = connect(monkeypatch, host="ghcr.io", password="geheim-1234")
    assert form.test_connection()[1].startswith("connection: ")


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
    assert str(hook.client.reference(text)) == completed


def test_without_a_default_connection_references_name_their_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_KITOPS_DEFAULT", raising=False)
    assert str(KitOpsHook().client.reference("file:///models/iris:v1")) == "file:///models/iris:v1"


def test_a_verb_fails_for_good_where_a_retry_cannot_help(registry: str) -> None:
    with pytest.raises(AirflowFailException, match="team/iris"):
        KitOpsHook().client.resolve("team/iris:absent")


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
        packed = await hook.run_async(KitClient.pack, context_dir, "team/iris:v1")
        await hook.run_async(KitClient.push, "team/iris:v1", "prod/iris:v1")
        await hook.run_async(KitClient.pull, "prod/iris:v1", "mirror/iris:v1")
        await hook.run_async(KitClient.promote, "team/iris:v1", stage="staging")
        unpacked = await hook.run_async(KitClient.unpack, "mirror/iris:v1", tmp_path / "out", filters=["model"])
        kit = await hook.run_async(KitClient.inspect, "team/iris:staging")
        lineage = await hook.run_async(KitClient.lineage, "team/iris:staging")
        resolved = await hook.run_async(KitClient.resolve, "prod/iris:v1")
        assert {str(item) for item in (unpacked.reference.digest, kit.digest, lineage.digest, resolved.digest)} == {
            str(packed.digest)
        }
        with pytest.raises(AirflowFailException, match="key or a trust policy"):
            await hook.run_async(KitClient.verify, "team/iris:v1")
        return await hook.run_async(KitClient.tags, "team/iris")

    assert asyncio.run(work()) == ["staging", "v1"]
    assert (tmp_path / "out" / "model.bin").exists()
