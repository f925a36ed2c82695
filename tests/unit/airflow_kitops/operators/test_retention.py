from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPromoteOperator, KitRetentionOperator


@pytest.fixture
def versions(put_modelkit) -> list[str]:
    return [put_modelkit(f"team/iris:v{number}", seed=number) for number in range(1, 5)]


def retain(**options: object) -> KitRetentionOperator:
    return KitRetentionOperator(task_id="retain", repository="team/iris", matches="v*", **options)


def test_old_versions_go_and_the_stage_stays(versions: list[str]) -> None:
    KitPromoteOperator(task_id="promote", reference=versions[0], stage="staging").execute({})
    done = retain(keep_last="2").execute({})
    assert [item["digest"] for item in done["removed"]] == [versions[1].partition("@")[2]]
    assert (done["removedCount"], done["keptCount"], done["isDryRun"]) == (1, 3, False)
    assert KitOpsHook().client.tags("team/iris") == ["staging", "v1", "v3", "v4"]


def test_a_dry_run_that_a_template_asked_for_removes_nothing(versions: list[str]) -> None:
    done = retain(keep_last=1, keep_days="None", dry_run="True").execute({})
    assert (done["removedCount"], done["isDryRun"]) == (3, True)
    assert len(KitOpsHook().client.tags("team/iris")) == 4


def test_a_tag_to_keep_is_a_name_and_not_its_letters(versions: list[str]) -> None:
    assert retain(keep_last=1, keep_tags="v2", dry_run=True).execute({})["removedCount"] == 2


def test_a_policy_holds_its_immutable_tags(versions: list[str], tmp_path) -> None:
    (tmp_path / "policy.yaml").write_text("version: 1\nstages:\n  dev: {immutableTags: ['v1', 'v2']}\n")
    done = retain(keep_last=1, policy=str(tmp_path / "policy.yaml")).execute({})
    assert [item["digest"] for item in done["removed"]] == [versions[2].partition("@")[2]]


@pytest.mark.parametrize(
    ("options", "word"),
    [({}, "keeps nothing"), ({"keep_last": "many"}, "keep_last"), ({"keep_last": 1, "dry_run": "maybe"}, "dry_run")],
)
def test_what_cannot_be_meant_fails_for_good_and_removes_nothing(versions: list[str], options, word) -> None:
    with pytest.raises(AirflowFailException, match=word):
        retain(**options).execute({})
    assert len(KitOpsHook().client.tags("team/iris")) == 4
