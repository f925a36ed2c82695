import re

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_kitops.assets.partitions import filled_repository, filled_tag, partition_tag, staged_tag
from kitops_orchestration.oci.reference import Reference

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
ANY_KEY = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)


@given(ANY_KEY)
def test_every_key_becomes_a_legal_tag(key):
    assert TAG.fullmatch(partition_tag(key))


@given(ANY_KEY, ANY_KEY)
def test_different_keys_get_different_tags(left, right):
    if left != right:
        assert partition_tag(left) != partition_tag(right)


@given(ANY_KEY)
def test_a_tag_that_an_encoded_key_got_is_never_the_tag_of_the_key_with_that_name(key):
    encoded = partition_tag(key)
    if encoded != key:
        assert partition_tag(encoded) != encoded


def test_legal_keys_stay_readable():
    assert partition_tag("2024-01-01") == "2024-01-01"


@pytest.mark.parametrize("key", ["2024-01-01-00:00", "a|b", "with space", ".hidden", "v1+build", "-x"])
def test_illegal_keys_keep_what_can_be_read(key):
    tag = partition_tag(key)
    assert tag != key
    assert re.fullmatch(r".*-[0-9a-f]{16}", tag)


def test_multi_partition_keys_do_not_depend_on_the_order_of_dimensions():
    one = dg.MultiPartitionKey({"date": "2024-01-01", "region": "eu"})
    other = dg.MultiPartitionKey({"region": "eu", "date": "2024-01-01"})
    assert partition_tag(one) == partition_tag(other)
    assert partition_tag(one).startswith("date_2024-01-01_region_eu-")


def test_multi_partition_keys_that_join_alike_get_different_tags():
    one = dg.MultiPartitionKey({"a": "1|b=2", "b": "3"})
    other = dg.MultiPartitionKey({"a": "1", "b": "2|b=3"})
    assert partition_tag(one) != partition_tag(other)


@given(ANY_KEY, st.integers(18, 128))
def test_a_tag_keeps_to_the_room_that_it_has(key, room):
    assert TAG.fullmatch(partition_tag(key, room=room))
    assert len(partition_tag(key, room=room)) <= room


@given(ANY_KEY, ANY_KEY)
def test_different_keys_fill_a_template_differently(left, right):
    if left != right:
        assert filled_tag("staging-{partition}", left) != filled_tag("staging-{partition}", right)
        assert TAG.fullmatch(filled_tag("staging-{partition}", left))


STAGE_TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,40}", fullmatch=True)
NAMED_ALIKE = st.from_regex(r"[ab][ab-]{0,6}", fullmatch=True)
"""Stages and keys of so few characters that one ends often where another one begins."""
KEY = ANY_KEY | NAMED_ALIKE
ONE_PLACE = st.tuples(st.none() | STAGE_TAG | NAMED_ALIKE, KEY)


def tag_at(stage, key):
    return partition_tag(key) if stage is None else staged_tag(stage, key)


@given(ONE_PLACE, ONE_PLACE)
def test_stages_and_partitions_never_share_a_tag(left, right):
    assert TAG.fullmatch(tag_at(*left))
    if left != right:
        assert tag_at(*left) != tag_at(*right)


@given(STAGE_TAG | NAMED_ALIKE, KEY)
def test_what_a_partition_is_called_in_a_stage_is_no_other_partitions_tag(stage, key):
    assert partition_tag(staged_tag(stage, key)) != staged_tag(stage, key)


@given(KEY, KEY)
def test_different_keys_get_different_repositories(left, right):
    if left != right:
        assert filled_repository("prod/{partition}", left) != filled_repository("prod/{partition}", right)


@given(KEY)
def test_every_key_becomes_a_legal_repository_and_no_encoded_one_is_taken(key):
    name = filled_repository("{partition}", key)
    assert Reference("localhost", name).repository == name
    if name != key:
        assert filled_repository("{partition}", name) != name
