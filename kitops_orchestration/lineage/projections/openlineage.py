"""OpenLineage events made from the evidence on a ModelKit: a projection, for those who run such a server.

Names are fixed here, once: a ModelKit is the dataset ``oci://<registry>`` / ``<repository>``, the digest is in
its version facet.  So the graph has one node for a model, whatever was tagged when.  The same evidence gives the
same events with the same run ids, so that sending them again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kitops_orchestration._version import __version__
from kitops_orchestration.errors import InvalidReferenceError, MissingExtraError
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.signing.timestamps import parse_timestamp

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.transport import Transport

    from kitops_orchestration.lineage.answers.questions import Lineage
    from kitops_orchestration.lineage.statements import Deployment, Promotion, Provenance, TestResult
    from kitops_orchestration.lineage.statements.dependencies import Dependency

NAMESPACE = "kitops"
"""Of the jobs: packing, testing, promoting, deploying. An orchestrator reports its own jobs itself."""
PRODUCER = f"urn:kitops-orchestration:openlineage:{__version__}"
DATASET_SUBTYPE = "MODELKIT"
_OCI = "oci://"


def dataset_name(reference: Reference) -> tuple[str, str]:
    """Return namespace and name of a ModelKit: ``oci://registry`` (a folder registry as it is), ``repository``."""
    registry = reference.registry
    return (registry if reference.is_folder else f"{_OCI}{registry.lower()}"), reference.repository


def data_name(item: Dependency, owner: Reference) -> tuple[str, str]:
    """Return namespace and name of data by OpenLineage's naming rules; packed data belongs to its ModelKit."""
    if item.uri and item.uri.startswith(_OCI):
        try:
            return dataset_name(Reference.parse(item.uri.removeprefix(_OCI)))
        except InvalidReferenceError:
            pass
    parts = urlsplit(item.uri or "")
    if item.uri and parts.scheme in ("", "file"):
        return "file", parts.path
    if item.uri and parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}", parts.path.strip("/") or "/"
    if item.uri:
        return parts.scheme, item.uri.removeprefix(f"{parts.scheme}:")
    namespace, name = dataset_name(owner)
    return namespace, f"{name}#{item.annotations.get('path') or item.shown}"


def events(lineage: Lineage) -> list[RunEvent]:
    """Return a COMPLETE event for each build, test, promotion and deployment; those without a time are left out.

    Raises:
        MissingExtraError: ``openlineage-python`` is not installed.
    """
    _require()
    found = [
        *(_build(lineage, item.predicate, item.time) for item in lineage.builds),
        *(_test(lineage, item.predicate, item.time) for item in lineage.tests),
        *(_promotion(lineage, item.predicate, item.time) for item in lineage.promotions),
        *(_deployment(lineage, item.predicate, item.time) for item in lineage.deployments),
    ]
    return [event for event in found if event is not None]


def emit(items: Iterable[RunEvent], *, transport: Transport | None = None) -> int:
    """Send events and return how many; without a transport the client's own configuration decides where to."""
    _require()
    from openlineage.client import OpenLineageClient

    client = OpenLineageClient(transport=transport)
    count = 0
    for item in items:
        client.emit(item)
        count += 1
    return count


def _build(lineage: Lineage, found: Provenance, time: str | None) -> RunEvent | None:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import execution_parameters_run as parameters
    from openlineage.client.facet_v2 import source_code_location_job as code

    inputs = [
        InputDataset(*data_name(item, lineage.reference), facets=_version(item.sha256))
        for item in found.dependencies
        if item.role in ("dataset", "base-model")
    ]
    run_facets: dict[str, Any] = {}
    given = found.external_parameters.get("parameters")
    if isinstance(given, Mapping) and given:
        listed = [parameters.ExecutionParameter(key=key, name=key, value=str(value)) for key, value in given.items()]
        run_facets["executionParameters"] = parameters.ExecutionParametersRunFacet(parameters=listed, producer=PRODUCER)
    job_facets: dict[str, Any] = {}
    source = next((item for item in found.dependencies if item.digest.get("gitCommit") and item.name), None)
    if source is not None:
        job_facets["sourceCodeLocation"] = code.SourceCodeLocationJobFacet(
            type="git",
            url=str(source.name),
            repoUrl=source.name,
            version=source.digest["gitCommit"],
            branch=source.annotations.get("branch"),
            producer=PRODUCER,
        )
    outputs = [_modelkit(lineage.reference)]
    return _event(lineage, "pack", time, inputs, outputs, run_facets=run_facets, job_facets=job_facets)


def _test(lineage: Lineage, found: TestResult, time: str | None) -> RunEvent | None:
    from openlineage.client.facet_v2 import test_run

    tests = [
        *(test_run.TestExecution(name=name, status="pass") for name in found.passed_tests),
        *(test_run.TestExecution(name=name, status="fail", severity="warn") for name in found.warned_tests),
        *(test_run.TestExecution(name=name, status="fail", severity="error") for name in found.failed_tests),
    ]
    for metric in found.metrics:
        wanted = f"{metric.comparator} {metric.threshold}" if metric.threshold else None
        status = "fail" if metric.is_passed is False else "pass"
        tests.append(test_run.TestExecution(name=metric.name, status=status, expected=wanted, actual=metric.value))
    facet = {"test": test_run.TestRunFacet(tests=tests, producer=PRODUCER)} if tests else {}
    return _event(lineage, "test", time, [_modelkit_input(lineage.reference)], [], run_facets=facet)


def _promotion(lineage: Lineage, found: Promotion, time: str | None) -> RunEvent | None:
    try:
        destination = Reference.parse(found.dst_ref).with_digest(found.digest)
        source = Reference.parse(found.src_ref).with_digest(found.digest)
    except InvalidReferenceError:
        return None
    job = f"promote.{found.to_stage}"
    return _event(lineage, job, time, [_modelkit_input(source)], [_modelkit(destination)])


def _deployment(lineage: Lineage, found: Deployment, time: str | None) -> RunEvent | None:
    from openlineage.client.event_v2 import OutputDataset

    place = found.target
    namespace = f"k8s://{place.cluster or 'unknown'}/{place.namespace or 'default'}"
    outputs = [OutputDataset(namespace, f"{place.kind}/{place.name}")]
    job = f"{'deploy' if found.action == 'deployed' else 'undeploy'}.{found.environment}"
    return _event(lineage, job, time, [_modelkit_input(lineage.reference)], outputs)


def _event(
    lineage: Lineage,
    verb: str,
    time: str | None,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    *,
    run_facets: Mapping[str, Any] | None = None,
    job_facets: Mapping[str, Any] | None = None,
) -> RunEvent | None:
    if time is None:
        return None
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job, processing_engine_run
    from openlineage.client.uuid import generate_static_uuid

    name = f"{lineage.reference.repository}.{verb}"
    run_id = generate_static_uuid(parse_timestamp(time), f"{lineage.digest}\n{name}\n{time}".encode())
    engine = processing_engine_run.ProcessingEngineRunFacet(
        version=__version__, name="kitops-orchestration", producer=PRODUCER
    )
    kind = job_type_job.JobTypeJobFacet(
        processingType="BATCH", integration="KITOPS", jobType=verb.partition(".")[0].upper(), producer=PRODUCER
    )
    return RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=time,
        run=Run(str(run_id), facets={"processing_engine": engine, **(run_facets or {})}),
        job=Job(NAMESPACE, name, facets={"jobType": kind, **(job_facets or {})}),
        inputs=list(inputs),
        outputs=list(outputs),
        producer=PRODUCER,
    )


def _modelkit(reference: Reference) -> Any:
    from openlineage.client.event_v2 import OutputDataset

    return OutputDataset(*dataset_name(reference), facets=_facets(reference))


def _modelkit_input(reference: Reference) -> Any:
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(*dataset_name(reference), facets=_facets(reference))


def _facets(reference: Reference) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_type_dataset, datasource_dataset

    return {
        **_version(reference.digest),
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(
            datasetType="MODEL", subType=DATASET_SUBTYPE, producer=PRODUCER
        ),
        "dataSource": datasource_dataset.DatasourceDatasetFacet(
            name=reference.name, uri=f"{_OCI}{reference}", producer=PRODUCER
        ),
    }


def _version(digest: str | None) -> dict[str, Any]:
    if digest is None:
        return {}
    from openlineage.client.facet_v2 import dataset_version_dataset

    facet = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(digest), producer=PRODUCER)
    return {"version": facet}


def _require() -> None:
    try:
        import openlineage.client  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise MissingExtraError("OpenLineage events need openlineage-python", extra="openlineage") from error
