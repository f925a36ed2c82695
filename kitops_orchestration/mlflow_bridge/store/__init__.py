"""What MLflow loads through entry points: ``modelkit://`` as a store of artifacts and as a source of datasets.

Used by ``mlflow_bridge``, ``mlflow_bridge.restore``, ``mlflow_bridge.serving``: ``artifact_repository``
(ModelKitArtifactRepository); ``checkout`` (discard_view, model_root, private_view, unpacked); ``registry_policy``
(allowed_opener, verify_trusted).

    >>> import mlflow  # doctest: +SKIP
    >>> mlflow.pyfunc.load_model("modelkit://registry.example/team/iris:v1")  # doctest: +SKIP
"""
