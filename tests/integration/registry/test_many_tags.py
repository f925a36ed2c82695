"""What a registry is asked does not grow with tags that nobody asked about: 10 and 5,000 of them."""

from __future__ import annotations

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry

FEW, MANY = 10, 5_000
PAGE = 1_000
POLICY = PromotionPolicy.parse("version: 1\nstages: {production: {checks: []}}\n")
ABOUT_ONE = {
    "resolve": lambda client: client.resolve("iris:v7"),
    "inspect": lambda client: client.inspect("iris:v7"),
    "lineage": lambda client: client.lineage("iris:v7"),
    "history": lambda client: client.history("iris", stage="production"),
    "status": lambda client: client.status("iris", policy=POLICY),
    "the whole chain of each stage": lambda client: client.status("iris", policy=POLICY, limit=None),
    "plan": lambda client: client.plan("iris:v7", stage="production", policy=POLICY),
    "tag": lambda client: client.tag("iris:v7", "stable"),
}


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    context = make_context_dir(tmp_path_factory.mktemp("context"))
    found = {}
    with EmbeddedRegistry() as few, EmbeddedRegistry() as many:
        for registry, count in ((few, FEW), (many, MANY)):
            client = KitClient(registry.host, credentials=StaticCredentials({}))
            client.pack(context, "iris:v0")
            client.promote("iris:v0", stage="production", policy=POLICY)
            node = registry.storage.manifest("iris", "v0")
            for number in range(count):
                registry.storage.put_manifest("iris", node, f"v{number}")
            found[count] = registry
        yield found


def requests(registry, call) -> int:
    """How many requests a call makes, the second time: the first learns what the registry can."""
    client = KitClient(registry.host, credentials=StaticCredentials({}))
    call(client)
    before = len(registry.requests)
    call(client)
    return len(registry.requests) - before


@pytest.mark.parametrize("verb", ABOUT_ONE)
def test_a_question_about_one_version_costs_the_same_among_many(registries, verb):
    few, many = (requests(registries[count], ABOUT_ONE[verb]) for count in (FEW, MANY))

    assert few == many
    assert few <= 40


def test_all_tags_are_listed_in_pages_of_a_thousand(registries):
    listed = []
    count = requests(registries[MANY], lambda client: listed.append(client.tags("iris")))

    assert set(listed[-1]) >= {f"v{number}" for number in range(MANY)}
    assert count <= MANY // PAGE + 2


def test_only_a_complete_status_asks_for_every_tag(registries):
    few = requests(registries[FEW], lambda client: client.status("iris", policy=POLICY, is_complete=True))

    assert few > FEW
    assert few > requests(registries[FEW], ABOUT_ONE["status"]) + FEW
