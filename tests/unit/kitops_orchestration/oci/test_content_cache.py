"""Small content by digest: fetched once, checked always, and no reason to fail."""

from __future__ import annotations

from kitops_orchestration.lineage.statements.attach import attest, load_evidence
from kitops_orchestration.oci.content_cache import MAX_BYTES, ContentCache
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.builders import push_random_modelkit


def test_content_is_kept_and_a_changed_file_counts_as_nothing(tmp_path) -> None:
    cache, content = ContentCache(tmp_path / "cache"), b"statement"
    digest = Digest.of(content)
    assert cache.get(digest) is None

    cache.put(digest, content)
    assert cache.get(digest) == content
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(b"another statement")
    assert cache.get(digest) is None


def test_large_content_and_names_that_are_no_sha256_are_not_kept(tmp_path) -> None:
    cache = ContentCache(tmp_path / "cache")
    large = b"x" * (MAX_BYTES + 1)
    for digest, content in ((Digest.of(large), large), ("sha512:" + "a" * 128, b"x"), ("../../outside", b"x")):
        cache.put(digest, content)
        assert cache.get(digest) is None
    assert list(tmp_path.rglob("*")) == []


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    ContentCache(tmp_path / "file" / "cache").put(Digest.of(b"x"), b"x")
    assert ContentCache(tmp_path / "file" / "cache").get(Digest.of(b"x")) is None


def test_evidence_is_fetched_once_and_what_was_deleted_is_gone(embedded_registry, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    repository = open_repository(embedded_registry.reference("team/iris"))
    digest = push_random_modelkit(repository, tag="v1", layers=1).descriptor.digest
    attached = attest(repository, "v1", "https://example.org/report/v1", {"number": 1})

    def asked() -> int:
        before = len(embedded_registry.requests)
        assert [item.statement.predicate["number"] for item in load_evidence(repository, digest)] == [1]
        return len(embedded_registry.requests) - before

    first, again = asked(), asked()
    assert first - again == 2, "the manifest and the statement"
    repository.delete_manifest(attached.descriptor.digest)
    assert load_evidence(repository, digest) == []
