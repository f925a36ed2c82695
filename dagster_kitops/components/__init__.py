"""ModelKits for ``dg`` projects: the same assets, checks, sensors and stages, written in ``defs.yaml``.

``dg scaffold defs dagster_kitops.ModelKitComponent churn`` writes the first one.  Each component is thin: it reads its
attributes and calls the builder of the same name one package up, which Python users call themselves.

Used by ``dagster_kitops``: ``mlflow`` (MlflowModelKitComponent); ``mlflow_models`` (MLflowModelsComponent);
``modelkit`` (ModelKitComponent); ``promotion`` (ModelKitPromotionComponent); ``registry``
(ModelKitRegistryComponent); ``resource`` (KitOpsResourceComponent); ``workspace`` (KitOpsWorkspaceComponent).
"""
