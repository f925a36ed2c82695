import dagster as dg
import pytest

from dagster_kitops import DagsterKitOpsTranslator, ModelKitTranslatorData, build_modelkit_asset_spec
from kitops_orchestration.modelkit.kitfile import Kitfile

KITFILE = Kitfile.parse("""\
manifestVersion: 1.0.0
package:
  name: churn
  description: Who leaves
  license: Apache-2.0
  authors: [Ada <ada@example.org>, Team Blue]
model:
  name: churn
  path: model.bin
  framework: PyTorch
""")


def spec_of(**data):
    return DagsterKitOpsTranslator().get_asset_spec(ModelKitTranslatorData(repository="team/churn-model", **data))


def test_the_kitfile_describes_the_asset():
    spec = spec_of(kitfile=KITFILE)
    assert spec.key == dg.AssetKey("churn_model")
    assert spec.description == "Who leaves"
    assert spec.owners == ["ada@example.org"]
    assert spec.tags["license"] == "Apache-2.0"
    assert spec.kinds == {"kitops", "oci", "pytorch"}


def test_without_a_kitfile_the_repository_is_enough():
    assert spec_of().metadata["kitops/repository"] == "team/churn-model"


def test_a_kit_built_on_another_depends_on_its_asset():
    tuned = Kitfile.parse(
        "manifestVersion: 1.0.0\npackage: {name: tuned}\nmodel: {path: 'ghcr.io/acme/base-model:v1'}\n"
    )
    assert [dep.asset_key for dep in spec_of(kitfile=tuned).deps] == [dg.AssetKey("base_model")]


@pytest.mark.parametrize(
    ("framework", "kind"),
    [
        ("sklearn", "scikit-learn"),
        ("Scikit Learn", "scikit-learn"),
        ("torch", "pytorch"),
        ("transformers", "huggingface"),
        ("xgboost", "xgboost"),
        ("our/own!", None),
    ],
)
def test_a_framework_is_a_kind_for_which_dagster_has_an_icon_where_there_is_one(framework, kind):
    text = f"manifestVersion: 1.0.0\nmodel: {{path: m, framework: '{framework}'}}\n"
    assert spec_of(kitfile=Kitfile.parse(text)).kinds - {"kitops", "oci"} == ({kind} if kind else set())


def test_one_method_changes_everything():
    class Ours(DagsterKitOpsTranslator):
        def get_asset_spec(self, data):
            return super().get_asset_spec(data).replace_attributes(group_name="models")

    assert build_modelkit_asset_spec("mine", repository="team/churn", translator=Ours()).group_name == "models"


def test_attributes_have_the_last_word():
    spec = build_modelkit_asset_spec(["a", "b"], repository="team/churn", kitfile=KITFILE, description="Else")
    assert (spec.key, spec.description) == (dg.AssetKey(["a", "b"]), "Else")
