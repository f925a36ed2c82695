"""Wrong input, as a Dagster user meets it: one failure that says what, where and what to do; nothing half-written."""

import os
import socket
from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import (
    BasicAuth,
    KitOpsResource,
    ModelKitContent,
    ModelKitIOManager,
    latest_modelkit,
    modelkit_asset,
)
from kitops_orchestration.testing.registry import EmbeddedRegistry

RETRIES = dg.RetryPolicy(max_retries=2)


def tiny(content, **options):
    @modelkit_asset(repository="team/tiny", retry_policy=RETRIES, **options)
    def tiny():
        return content

    return tiny


@pytest.fixture
def failed(run, instance):
    """Materialize what must fail; return the failure's text and how often it was tried again."""

    def attempt(assets, **options):
        result = run(assets, raise_on_error=False, **options)
        assert not result.success
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        retries = [event for event in result.all_events if event.is_step_up_for_retry]
        said = failure.step_failure_data.user_failure_data
        assert said is not None, failure.step_failure_data.error
        return said, len(retries)

    return attempt


def nothing_is_left(kitops):
    root = Path(kitops.registry.removeprefix("file://"))
    files = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    scratch = Path(kitops.scratch_dir)
    return not files and not (scratch.exists() and list(scratch.iterdir()))


def test_an_unknown_key_in_the_kitfile(failed, kitops, context_dir):
    kitfile = context_dir / "Kitfile"
    kitfile.write_text(kitfile.read_text().replace("package:", "packgae:"))
    said, retries = failed([tiny(context_dir)])
    assert "Kitfile:2: packgae: unknown key" in said.description
    assert "Advice: " in said.description
    assert retries == 0
    assert nothing_is_left(kitops)


def test_a_path_that_leaves_the_context(failed, kitops, context_dir):
    kitfile = context_dir / "Kitfile"
    kitfile.write_text(kitfile.read_text().replace("model.bin", "../secret"))
    (context_dir.parent / "secret").write_text("x")
    said, retries = failed([tiny(context_dir)])
    assert "../secret" in said.description
    assert retries == 0
    assert nothing_is_left(kitops)


def test_a_missing_file(failed, kitops, context_dir):
    (context_dir / "model.bin").unlink()
    said, retries = failed([tiny(context_dir)])
    assert "'model.bin' does not exist" in said.description
    assert retries == 0
    assert nothing_is_left(kitops)


def test_a_directory_that_is_not_there(failed, kitops, tmp_path):
    said, retries = failed([tiny(tmp_path / "nowhere")])
    assert "nowhere" in said.description
    assert retries == 0
    assert nothing_is_left(kitops)


@pytest.mark.parametrize(
    ("options", "said"), [({"repository": "Team/TINY"}, "Team/TINY"), ({"repository": "a", "tag": "no tag"}, "no tag")]
)
def test_a_place_that_is_none_is_told_when_the_definition_is_loaded(options, said):
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=said):
        modelkit_asset(**options)


def test_a_tag_of_the_content_that_is_none(failed, kitops, context_dir):
    said, retries = failed([tiny(ModelKitContent(context_dir=context_dir, tag="no tag"))])
    assert "no tag" in said.description
    assert retries == 0
    assert nothing_is_left(kitops)


def test_a_reference_without_tag_means_latest_and_says_so_where_there_is_none(failed, kitops, context_dir, run):
    run([tiny(context_dir, tag="v1")])

    @dg.asset(retry_policy=RETRIES)
    def reader(kitops: KitOpsResource):
        with kitops.unpack("team/tiny") as folder:
            return folder

    said, retries = failed([reader])
    assert "tag 'latest' is not in" in said.description
    assert retries == 0


def test_a_registry_that_is_down(failed, context_dir):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = KitOpsResource(registry=f"127.0.0.1:{port}", retries=0)
    said, retries = failed([tiny(context_dir)], resources={"kitops": away})
    assert f"127.0.0.1:{port}: connection refused" in said.description
    assert retries == 2


def test_wrong_credentials(failed, context_dir, monkeypatch):
    monkeypatch.setenv("REGISTRY_PASSWORD", "hunter2-wrong")
    with EmbeddedRegistry(auth="basic", username="ada", password="right") as registry:
        auth = BasicAuth(username="ada", password=dg.EnvVar("REGISTRY_PASSWORD"))
        wrong = KitOpsResource(registry=registry.host, auth=auth, retries=0)
        said, retries = failed([tiny(context_dir)], resources={"kitops": wrong})
        assert not any(request.status == 201 for request in registry.requests)
    assert registry.host in said.description
    assert "Advice: " in said.description
    assert "hunter2" not in str(said)
    assert retries == 0


def test_a_folder_that_may_not_be_written(failed, context_dir):
    said, retries = failed([tiny(context_dir)], resources={"kitops": KitOpsResource(registry="file:///proc/models")})
    assert "/proc/models" in said.description
    assert retries == 0


def test_a_disk_that_is_full_while_packing(failed, kitops, context_dir, on_a_full_disk):
    (context_dir / "model.bin").write_bytes(os.urandom(300 * 1024))

    def pack():
        said, retries = failed([tiny(context_dir)])
        return said.description, retries

    description, retries = on_a_full_disk(100 * 1024, pack)
    assert "File too large" in description
    assert retries == 0
    assert list(kitops.get_client().repository(kitops.reference("team/tiny")).tags()) == []


def test_a_disk_that_is_full_while_loading(failed, kitops, run, context_dir, instance, on_a_full_disk):
    (context_dir / "model.bin").write_bytes(os.urandom(300 * 1024))
    resources = {"modelkits": ModelKitIOManager(kitops=kitops)}
    made = tiny(context_dir, io_manager_key="modelkits")
    run([made], resources=resources)

    @dg.asset(retry_policy=RETRIES)
    def reader(tiny: Path):
        return None

    def load():
        said, retries = failed([made, reader], selection=["reader"], resources=resources)
        return said.description, retries

    description, retries = on_a_full_disk(100 * 1024, load)
    assert "File too large" in description
    assert retries == 0
    assert list(Path(kitops.scratch_dir).iterdir()) == []
    assert latest_modelkit(instance, "tiny") is not None
