"""Metadata is looked at before a tag moves: nothing fails after it, and nobody says what a ModelKit is but itself."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import ModelKitContent, ModelKitIOManager, latest_modelkit, modelkit_asset


def decorated(content, **options):
    @modelkit_asset(repository="tiny", **options)
    def tiny():
        return content

    return tiny


def stored(content):
    @dg.asset
    def tiny():
        return content

    return tiny


WAYS = pytest.mark.parametrize("make", [decorated, stored])


@pytest.fixture
def attempt(run, kitops, instance):
    def attempted(asset):
        result = run([asset], resources={"io_manager": ModelKitIOManager(kitops=kitops)}, raise_on_error=False)
        said = [event.step_failure_data.error.to_string() for event in result.all_events if event.is_step_failure]
        return said, latest_modelkit(instance, "tiny")

    return attempted


@WAYS
def test_numbers_of_numpy_are_numbers(attempt, context_dir, make):
    np = pytest.importorskip("numpy")
    said = {
        "accuracy": np.float32(0.5),
        "rows": np.int64(7),
        "is_good": np.bool_(True),
        "classes": np.array([1, 2]),
        "double": np.float64(0.25),
    }
    errors, recorded = attempt(make(ModelKitContent(context_dir=context_dir, metadata=said)))
    assert errors == []
    values = {label: recorded.metadata[label] for label in said}
    assert values == {"accuracy": 0.5, "rows": 7, "is_good": True, "classes": [1, 2], "double": 0.25}
    assert {type(value) for value in values.values()} == {float, int, bool, list}


@WAYS
@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_a_value_that_dagster_does_not_take_moves_no_tag(attempt, kitops, context_dir, make, value):
    (error,), recorded = attempt(make(ModelKitContent(context_dir=context_dir, metadata={"odd": value})))
    assert "odd" in error
    assert recorded is None
    assert not Path(kitops.registry.removeprefix("file://")).exists()


@WAYS
@pytest.mark.parametrize("label", ["kitops/digest", "kitops/reference", "kitops/anything", "dagster/size_bytes"])
def test_what_a_modelkit_is_cannot_be_said_by_its_content(attempt, kitops, context_dir, make, label):
    said = {label: "sha256:" + "0" * 64}
    (error,), recorded = attempt(make(ModelKitContent(context_dir=context_dir, metadata=said)))
    assert label in error
    assert recorded is None


def test_a_label_that_is_said_twice_moves_no_tag(attempt, kitops, context_dir):
    @dg.asset
    def tiny(context: dg.AssetExecutionContext):
        context.add_output_metadata({"accuracy": 1})
        return ModelKitContent(context_dir=context_dir, metadata={"accuracy": 2})

    _, recorded = attempt(tiny)
    assert recorded is not None
    assert recorded.metadata["accuracy"] == 2  # Dagster lets the IO manager have the last word


def test_the_number_of_rows_is_what_a_dataset_says_only_if_it_is_one(attempt):
    from dagster_kitops.metadata import datasets_table
    from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord

    fields = dict.fromkeys(DatasetRecord.__dataclass_fields__)
    odd = DatasetRecord(**{**fields, "name": "d", "profile": {"num_rows": {"a": 1}}})
    assert datasets_table([odd]).records[0].data["rows"] is None
