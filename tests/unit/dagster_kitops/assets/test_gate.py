"""Dagster passes the same gate: the failure shows the findings, and the resource's rules are the last word."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import KitOpsResource, modelkit_asset

SECRET = "Tr41n-on-nights" + "!"


@pytest.fixture
def leaky_dir(context_dir):
    (context_dir / "settings.yaml").write_text(f"a: 1\npassword: {SECRET}\n")
    kitfile = context_dir / "Kitfile"
    kitfile.write_text(kitfile.read_text().replace("code:\n", "code:\n  - path: settings.yaml\n"))
    assert "settings.yaml" in kitfile.read_text()
    return context_dir


def kit_asset(content, **options):
    @modelkit_asset(repository="team/tiny", **options)
    def tiny():
        return content

    return tiny


def failure_of(result):
    (event,) = [item for item in result.all_events if item.is_step_failure]
    return event.event_specific_data.user_failure_data, event.event_specific_data.error


def test_a_secret_fails_the_step_and_shows_where_it_is(run, leaky_dir, kitops):
    result = run([kit_asset(leaky_dir)], raise_on_error=False)

    failure, _ = failure_of(result)
    assert "settings.yaml:2" in failure.description
    assert failure.metadata["findings"].value[0]["path"] == "settings.yaml"
    assert SECRET not in failure.description + str(failure.metadata)
    assert not Path(kitops.registry.removeprefix("file://")).exists()


def test_an_asset_allows_what_its_resource_lets_it(run, leaky_dir, kitops):
    options = {"gate_rules": {"allow_secret": ["settings.yaml=made up"]}}
    assert run([kit_asset(leaky_dir, pack_options=options)]).success

    strict = KitOpsResource(registry=kitops.registry, gate_rules={"may_allow": False})
    result = run([kit_asset(leaky_dir, pack_options=options)], resources={"kitops": strict}, raise_on_error=False)
    assert not result.success


def test_a_resource_allows_for_all_of_its_assets(run, leaky_dir, kitops):
    lenient = KitOpsResource(registry=kitops.registry, gate_rules={"allow_secret": ["settings.yaml=ours"]})
    assert run([kit_asset(leaky_dir)], resources={"kitops": lenient}).success


@pytest.mark.parametrize("rules", [{"may_alow": False}, {"on_secret": "off"}])
def test_rules_that_cannot_be_meant_are_a_failure(rules):
    with pytest.raises(dg.Failure, match="gate"):
        KitOpsResource(registry="file:///nowhere", gate_rules=rules).get_client()
