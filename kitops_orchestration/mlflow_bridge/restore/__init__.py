"""The way back of an export: the run, its numbers, prompts and model in another MLflow, all of it or nothing.

>>> from kitops_orchestration import KitClient
>>> KitClient("file:///tmp/models").import_model("iris:1.4.0", mode="restore")  # doctest: +SKIP

Used by ``mlflow_bridge``: ``restore`` (FILTERS, restore).
"""
