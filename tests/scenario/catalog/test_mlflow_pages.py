"""A link out of the catalog leads to an address that the operator gave, whatever a provenance says."""

from __future__ import annotations

import pytest

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.mlflow_pages import addresses_by_host, run_page
from kitops_orchestration.errors import KitOpsError

GIVEN = {"tracking.example": "https://tracking.example/mlflow"}


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "mlflow://evil.example/experiments/1/runs/abc",
        "mlflow://tracking.example@evil.example/experiments/1/runs/abc",
        "mlflow://tracking.example/experiments/1/runs/abc?x=1",
        "mlflow://tracking.example/experiments/1/runs/../../x",
        'mlflow://tracking.example/experiments/1/runs/"><script>',
        "mlflow://tracking.example/experiments/1/runs/a\n",
        "javascript:alert(1)",
        "https://tracking.example/experiments/1/runs/abc",
    ],
)
def test_no_text_of_a_statement_is_an_address(uri) -> None:
    assert run_page(uri, GIVEN) is None


def test_the_run_of_a_known_host_has_a_page() -> None:
    assert run_page("mlflow://Tracking.Example/experiments/7/runs/0a1b", GIVEN) == (
        "https://tracking.example/mlflow/#/experiments/7/runs/0a1b"
    )
    assert addresses_by_host(["https://Tracking.example:5000/x/"]) == {
        "tracking.example:5000": "https://Tracking.example:5000/x"
    }


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "tracking.example",
        "https://",
        "https://user:password@tracking.example",
        "https://tracking.example/?token=geheim",
        "https://tracking.example/#x",
        'https://tracking.example/"onclick=',
        "https://tracking.example:x",
    ],
)
def test_an_address_is_a_plain_one_and_its_password_is_not_told(url) -> None:
    with pytest.raises(KitOpsError, match="no plain http") as caught:
        addresses_by_host([url])
    assert "password" not in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_version_leads_to_its_run_and_nothing_else_leads_out(sample, tmp_path, read_page) -> None:
    sample.client.catalog(
        str(sample.client.registry),
        policy=sample.policy,
        trust=sample.trust,
        into=tmp_path / "site",
        mlflow_urls=["https://tracking.example"],
    )
    (model,) = [item for item in sample.catalog.models if item.name == "risk/fraud-score"]
    found = read_page((tmp_path / "site" / addresses.version_page(model.name, model.releases[0].digest)).read_text())
    out = [item for item in found.all("a") if "://" in (item.get("href") or "")]
    run = str(model.releases[0].passport.version.lineage.provenance.source["uri"]).rpartition("/")[2]
    assert out == [
        {"href": f"https://tracking.example/#/experiments/1/runs/{run}", "rel": "noreferrer noopener"},
    ]
