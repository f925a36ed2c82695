"""Running the model of a ModelKit: served on this machine, or tried once on its own input example.

Used by ``airflow_kitops``, ``client``, ``mlflow_bridge``: ``model_server`` (ModelServer, serve, ServeOptions);
``smoke`` (smoke_test, SmokeTest, SmokeTestOptions).

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").smoke_test("iris:v1")  # doctest: +SKIP
"""
