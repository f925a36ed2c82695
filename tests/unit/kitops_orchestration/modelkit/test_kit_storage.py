"""The Kit CLI's own storage as a repository."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitops_orchestration.errors import NotFoundError, RegistryError
from kitops_orchestration.modelkit.kit_storage import KitStorageRepository, repositories, storage_dir
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository

MakeContext = Callable[..., Path]
KITFILE = "manifestVersion: 1.0.0\npackage: {name: x}\nmodel: {path: m}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "kitops"


@pytest.fixture
def stored(home: Path) -> KitStorageRepository:
    return KitStorageRepository(Reference("localhost", "mymodel"), home=home)


def read(path: Path) -> dict[str, object]:
    value: dict[str, object] = json.loads(path.read_text())
    return value


@pytest.mark.parametrize(
    ("registry", "repository", "prefix"),
    [
        ("localhost", "mymodel", "bG9jYWxob3N0L215bW9kZWw="),
        ("ghcr.io", "kitops-ml/my-model", "Z2hjci5pby9raXRvcHMtbWwvbXktbW9kZWw="),
        ("localhost:5000", "a", "bG9jYWxob3N0OjUwMDAvYQ=="),
    ],
)
def test_files_are_named_as_kit_names_them(
    registry: str, repository: str, prefix: str, make_context: MakeContext, home: Path
) -> None:
    stored = KitStorageRepository(Reference(registry, repository), home=home)
    pack(make_context({"Kitfile": KITFILE, "m": "1"}), stored, tag="v1")

    assert (home / f"storage/{prefix}-index.json").exists()
    assert (home / f"storage/{prefix}-tags.json").exists()
    assert [str(found) for found in repositories(home)] == [f"{registry}/{repository}"]


def test_kit_would_list_what_we_put_there(make_context: MakeContext, stored: KitStorageRepository, home: Path) -> None:
    result = pack(make_context({"Kitfile": KITFILE, "m": "1"}), stored, tag="v1", extra_tags=["latest"])

    storage = storage_dir(home)
    entry = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": result.digest,
        "size": len(result.manifest.content),
    }
    prefix = base64.urlsafe_b64encode(b"localhost/mymodel").decode()
    assert read(storage / "oci-layout") == {"imageLayoutVersion": "1.0.0"}
    assert read(storage / "index.json")["manifests"] == [entry]
    assert read(storage / f"{prefix}-index.json") == {"schemaVersion": 2, "manifests": [entry]}
    assert read(storage / f"{prefix}-tags.json") == {"latest": entry, "v1": entry}
    assert isinstance(stored, Repository)
    # An index.json below the storage makes Kit migrate, and delete, that folder.
    assert [path.parent for path in storage.rglob("index.json")] == [storage]


def test_what_kit_packed_can_be_copied_out_and_unpacked(
    home: Path, stored: KitStorageRepository, repository: LayoutRepository, tmp_path: Path
) -> None:
    def blob(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        path = home / "storage/blobs/sha256" / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layer = blob(bytes(1024)) | {"mediaType": "application/vnd.kitops.modelkit.model.v1.tar"}
    digests = {"digest": layer["digest"], "diffId": layer["digest"]}
    config = blob(json.dumps({"manifestVersion": "1.0.0", "package": {}, "model": {"path": "m", **digests}}).encode())
    manifest = blob(
        json.dumps(
            {
                "schemaVersion": 2,
                "config": config | {"mediaType": "application/vnd.kitops.modelkit.config.v1+json"},
                "layers": [layer],
            }
        ).encode()
    )
    entry = manifest | {"mediaType": "application/vnd.oci.image.manifest.v1+json"}
    (home / "storage/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (home / "storage/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (home / "storage/bG9jYWxob3N0L215bW9kZWw=-index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [entry]})
    )
    (home / "storage/bG9jYWxob3N0L215bW9kZWw=-tags.json").write_text(json.dumps({"v1": entry}))

    copied = copy(stored, "v1", repository, tag="v1")
    unpack(stored, "v1", tmp_path / "out")

    assert copied.descriptor.digest == manifest["digest"]
    assert (tmp_path / "out/Kitfile").exists()


def test_repositories_share_their_blobs(make_context: MakeContext, stored: KitStorageRepository, home: Path) -> None:
    context = make_context({"Kitfile": KITFILE, "m": "1"})
    pack(context, stored, tag="v1")
    other = KitStorageRepository(Reference("localhost", "other"), home=home)

    assert pack(context, other, tag="v1").uploaded_layers == 0
    assert list(other.tags()) == ["v1"]


def test_tags_move_and_go(make_context: MakeContext, stored: KitStorageRepository, home: Path) -> None:
    one = pack(make_context({"Kitfile": KITFILE, "m": "1"}), stored, tag="v1")
    two = pack(make_context({"Kitfile": KITFILE, "m": "22"}), stored, tag="v2")
    stored.set_tag("v1", two.manifest.descriptor)

    assert stored.resolve("v1").digest == two.digest
    assert stored.resolve(one.digest).digest == one.digest
    stored.delete_tag("v1")
    stored.delete_tag("v2")
    assert not (home / "storage/bG9jYWxob3N0L215bW9kZWw=-tags.json").exists()
    for target in ("v1", "sha256:" + "0" * 64):
        with pytest.raises(NotFoundError):
            stored.resolve(target)
    with pytest.raises(NotFoundError):
        stored.delete_tag("v1")


def test_many_writers_lose_nothing(make_context: MakeContext, home: Path) -> None:
    context = make_context({"Kitfile": KITFILE, "m": "1"})

    def work(number: int) -> None:
        stored = KitStorageRepository(Reference("localhost", "mymodel"), home=home)
        pack(context, stored, tag=f"v{number}", annotations={"n": str(number)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))

    stored = KitStorageRepository(Reference("localhost", "mymodel"), home=home)
    assert len(list(stored.tags())) == 16
    assert len(json.loads((home / "storage/index.json").read_text())["manifests"]) == 16


def test_nothing_is_read_from_a_storage_that_does_not_exist(stored: KitStorageRepository, home: Path) -> None:
    assert not stored.exists()
    with pytest.raises(NotFoundError, match="no repository"):
        list(stored.tags())
    assert repositories(home) == []
    assert not home.exists()


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_damaged_index_files_are_named(text: str, stored: KitStorageRepository, home: Path) -> None:
    (home / "storage").mkdir(parents=True)
    (home / "storage/bG9jYWxob3N0L215bW9kZWw=-tags.json").write_text(text)

    with pytest.raises(RegistryError, match=r"tags\.json"):
        list(stored.tags())


def test_a_manifest_needs_its_blobs_first(
    make_context: MakeContext, repository: LayoutRepository, stored: KitStorageRepository
) -> None:
    result = pack(make_context({"Kitfile": KITFILE, "m": "1"}), repository)

    with pytest.raises(NotFoundError):
        stored.push_manifest(result.manifest, tag="v1")
    assert not stored.exists()
