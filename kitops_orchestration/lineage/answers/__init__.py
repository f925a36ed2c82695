"""Questions, answered from the statements in a registry: data, versions, places, sign-offs, history.

No answer fetches a layer, and each says which evidence it counts and why not the rest.

Used by ``catalog``, ``catalog.views``, ``client``, ``dagster_kitops``, ``dagster_kitops.checks``, ``lineage``,
``lineage.passport``, ``lineage.projections``, ``promotion``, ``promotion.checkpoint``, ``promotion.retention``:
``compare`` (compare_versions, diff, DiffOptions, metrics_of, ModelKitDiff, read_version); ``deployment``
(Deployments, deployments_of, POINTER, pointer_tag, record_deployment, RecordDeploymentOptions, RunningModelKit,
where_deployed, WhereDeployedOptions); ``elsewhere`` (Elsewhere, placed); ``facts`` (PassportFacts, PastVersion);
``questions`` (Lineage, lineage, LineageOptions); ``requirements`` (read_requirements); ``sign_offs`` (sign_offs,
SignOff, SignOffs, SignOffsOptions); ``tag_order`` (natural_order); ``timeline`` (Event, summary, Timeline, timeline,
TimelineOptions); ``training_data`` (DataUse, OpenBase, training_data, TrainingData, TrainingDataOptions);
``witnessed`` (checkpoints_section, LookForWitnesses, Missing, Witnessed, WitnessedRepository).

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").where_deployed("iris")  # doctest: +SKIP
"""
