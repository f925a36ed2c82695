import dagster as dg
import pytest
from openlineage.client.transport import Transport

from dagster_kitops import build_modelkit_lineage_sensor, build_promotion_assets, latest_modelkit, modelkit_asset


class Recorder(Transport):
    kind = "recorder"

    def __init__(self, error=None):
        self.events = []
        self.error = error

    def emit(self, event):
        if self.error:
            raise self.error
        self.events.append(event)


@pytest.fixture
def made(run, context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    assets = [tiny, *build_promotion_assets(source=tiny, stages=["staging"])]
    run(assets)
    return assets


def tick(sensor, instance, kitops, cursor=None):
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"kitops": kitops}) as context:
        return sensor(context), context.cursor


def test_the_registrys_evidence_is_sent_with_the_digest_as_version(made, instance, kitops):
    recorder = Recorder()
    tick(build_modelkit_lineage_sensor(assets=made, transport=recorder), instance, kitops)
    outputs = [output for event in recorder.events for output in event.outputs]
    versions = {output.facets["version"].datasetVersion for output in outputs}
    assert versions == {latest_modelkit(instance, "tiny").digest}
    jobs = {event.job.name.rsplit(".", 1)[-1] for event in recorder.events}
    assert {"pack", "staging"} <= jobs


def test_what_was_sent_is_not_sent_again(made, instance, kitops):
    recorder = Recorder()
    sensor = build_modelkit_lineage_sensor(assets=made, transport=recorder)
    _, cursor = tick(sensor, instance, kitops)
    count = len(recorder.events)
    tick(sensor, instance, kitops, cursor)
    assert len(recorder.events) == count


def test_a_server_that_does_not_answer_skips_the_tick_and_keeps_the_cursor(made, instance, kitops):
    sensor = build_modelkit_lineage_sensor(assets=made, transport=Recorder(ConnectionError("no route")))
    reason, cursor = tick(sensor, instance, kitops)
    assert "no route" in reason.skip_message
    assert not cursor


def test_sending_twice_gives_the_same_run_ids(made, instance, kitops):
    runs = []
    for _ in range(2):
        recorder = Recorder()
        tick(build_modelkit_lineage_sensor(assets=made, transport=recorder), instance, kitops)
        runs.append([event.run.runId for event in recorder.events])
    assert runs[0] == runs[1]
