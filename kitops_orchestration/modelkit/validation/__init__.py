"""What :mod:`kitops_orchestration.modelkit.validate` looks at, one module for each end of the chain of promises.

For that verb alone; its answer is :class:`~kitops_orchestration.modelkit.validation.report.Validation`.

Used by ``airflow_kitops``, ``client``, ``modelkit``, ``testing``: ``content`` (look_at_file_lists, read_contents);
``manifest`` (Examination, look_at_blobs, look_at_layers, look_at_manifest, look_at_parents, look_at_types);
``report`` (Report, Validation, ValidationFinding).
"""
