"""The event page is for people: what they look for first, then what it is, then what programs read."""

import json

import dagster as dg

from dagster_kitops import (
    KitOpsResource,
    ModelKitContent,
    ModelKitIOManager,
    build_promotion_assets,
    latest_modelkit,
    modelkit_asset,
)
from kitops_orchestration.cli import main
from kitops_orchestration.oci.reference import Reference, page_in_browser
from kitops_orchestration.testing.builders import make_context_dir


def published(context_dir, tell=lambda event: event, **metadata):
    @dg.asset(metadata={"kitops/repository": "team/tiny"})
    def tiny(context: dg.AssetExecutionContext, kitops: KitOpsResource):
        return tell(kitops.publish(context, ModelKitContent(context_dir=context_dir, metadata=metadata)))

    return tiny


def labels(instance, key="tiny"):
    return list(instance.get_latest_materialization_event(dg.AssetKey(key)).asset_materialization.metadata)


def in_order(found, *wanted):
    places = [found.index(label) for label in wanted]
    assert places == sorted(places), found


def test_what_people_look_for_comes_first_and_objects_for_programs_last(run, instance, context_dir):
    run([published(context_dir, accuracy=0.5)])
    (context_dir / "model.bin").write_bytes(b"better")
    tiny = published(context_dir, accuracy=0.75)
    run([tiny, *build_promotion_assets(source=tiny, stages=["staging"])])
    found = labels(instance)
    assert found[:2] == ["accuracy", "kitops/diff"]
    in_order(found, "kitops/diff", "kitops/pull_command", "kitops/reference", "kitops/digest", "kitops/changes")
    assert found[-2:] == ["kitops/changes", "kitops/modelkit"]
    in_order(labels(instance, ["tiny", "staging"]), "kitops/plan", "kitops/reference", "kitops/promotion")


def test_an_io_managers_event_has_the_same_order(run, kitops, instance, context_dir):
    @dg.asset
    def tiny():
        return ModelKitContent(context_dir=context_dir, metadata={"accuracy": 1})

    run([tiny], resources={"io_manager": ModelKitIOManager(kitops=kitops)})
    found = labels(instance)
    in_order(found, "accuracy", "kitops/pull_command", "kitops/reference", "kitops/modelkit")


def test_the_modelkit_is_the_object_that_kitctl_prints(run, kitops, instance, context_dir, capsys):
    run([published(context_dir)])
    recorded = latest_modelkit(instance, "tiny")
    capsys.readouterr()
    assert main._run(["inspect", str(recorded.reference), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    said = recorded.metadata["kitops/modelkit"]
    shared = said.keys() & printed.keys() - {"reference"}
    assert {"digest", "layers", "sizeBytes"} <= shared
    assert {name: said[name] for name in shared} == {name: printed[name] for name in shared}


def test_an_event_is_told_more_in_one_line(run, kitops, instance, context_dir, tmp_path):
    old = kitops.get_client().pack(make_context_dir(tmp_path / "old", seed=7), kitops.reference("team/tiny:prod"))
    kitfile = context_dir / "Kitfile"
    text = kitfile.read_text()
    assert "parameters" not in text
    kitfile.write_text(
        text.replace("model:\n", "model:\n  parameters: {mlflow: {metrics: {f1: 0.5, 'kitops/digest': 1}}}\n")
    )
    run([published(context_dir, lambda event: event.with_diff("team/tiny:prod").with_metrics().with_passport())])
    recorded = latest_modelkit(instance, "tiny")
    assert recorded.metadata["f1"] == 0.5
    assert recorded.digest != str(old.digest)
    assert str(old.digest) in recorded.metadata["kitops/changes"]["left"]
    assert "A small model for tests" in recorded.metadata["kitops/passport"]
    assert labels(instance)[0] == "f1"


def test_what_cannot_be_found_out_is_a_warning_and_no_failure(run, instance, context_dir):
    result = run([published(context_dir, lambda event: event.with_diff("team/tiny:nobody-has-it").with_passport())])
    assert result.success
    assert "kitops/passport" in latest_modelkit(instance, "tiny").metadata
    assert "kitops/diff" not in latest_modelkit(instance, "tiny").metadata


def test_the_events_of_a_decorated_asset_are_the_same(run, instance, context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    result = run([tiny])
    assert result.asset_materializations_for_node("tiny")[0].metadata["kitops/modelkit"].value["layers"]


def test_registries_with_a_page_have_a_link():
    assert page_in_browser(Reference("ghcr.io", "acme/iris")) == "https://ghcr.io/acme/iris"
    assert page_in_browser(Reference("quay.io", "acme/iris", "v1")) == "https://quay.io/repository/acme/iris"
    assert page_in_browser(Reference("registry.example:5000", "acme/iris")) is None
