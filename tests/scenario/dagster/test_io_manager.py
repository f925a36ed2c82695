"""What an asset returns, saved by its framework: importing one, and asking it what it needs, takes seconds."""

import dagster as dg

from dagster_kitops import ModelKitIOManager, latest_modelkit


def test_a_framework_object_is_called_after_its_asset(run, kitops, instance):
    from sklearn.linear_model import LogisticRegression

    @dg.asset
    def churn():
        return LogisticRegression().fit([[0.0], [1.0]], [0, 1])

    run([churn], resources={"io_manager": ModelKitIOManager(kitops=kitops, flavor="sklearn")})
    kitfile = kitops.get_client().inspect(latest_modelkit(instance, "churn").reference).kitfile
    assert (kitfile.manifest_version, kitfile.package.name, kitfile.model.name) == ("1.0.0", "churn", "churn")
