"""Reading MLflow: what a run, a logged model or a registered version is, as values without secrets.

Used by ``airflow_kitops.hooks``, ``cli``, ``cli.commands.mlflow``, ``dagster_kitops``, ``dagster_kitops.components``,
``mlflow_bridge``, ``mlflow_bridge.best``, ``mlflow_bridge.events``, ``mlflow_bridge.restore``,
``mlflow_bridge.serving``: ``artifacts`` (ArtifactEntry, ArtifactStore, COMPILED_FOLDER, META_FILE); ``beside_model``
(linked_prompts, logged_tables, packed_prompt, PROMPT_FORM, REGISTRY_PARAMETER, registry_state); ``datasets``;
``description_block`` (NOTE_TAG, with_block); ``failures`` (translated); ``light_import`` (import_mlflow,
import_without_frames); ``metric_points`` (History, read_evidence); ``metrics`` (by_key, metrics_of); ``mlmodel``
(read_mlmodel, with_mlmodel); ``origin`` (Origin, origin_of, restored_facts, RESTORED_PARAMETER); ``origin_tags``
(ORIGIN_DIR, restorable, RESTORED_BEGAN_TAG, RESTORED_DIGEST_TAG, RESTORED_FROM_TAG, RESTORED_MODEL_TAG,
RESTORED_RUN_TAG); ``record`` (AMBIGUOUS, DatasetRecord, decode_number, MetricRecord, Number, RECORD_MEDIA_TYPE,
RunRecord, series_name, to_bytes); ``redaction`` (clean_content, clean_value, DEFAULT_PATTERNS); ``registration``
(registered_models, with_registration); ``run_models`` (children_of, listed_models, mlflow_2_paths, no_such_call,
or_none, PARENT_TAG, search_models, search_runs, side_by_side); ``session`` (also_by_default, connect, quoted,
require, require_answer); ``snapshot`` (read_run); ``source`` (MlflowSource, parse_source, resolve, ResolvedSource,
tracking_uri_of); ``tracking_server`` (TrackingServer).

    >>> from kitops_orchestration.mlflow_bridge import parse_source
    >>> parse_source("models:/iris@champion").alias
    'champion'
"""
