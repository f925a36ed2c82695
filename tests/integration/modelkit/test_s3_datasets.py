"""Datasets on S3: named in a Kitfile with their ETag, fetched on request from a server that speaks the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kitops_orchestration.errors import (
    AuthenticationError,
    DigestMismatchError,
    ModelKitError,
    NotFoundError,
    RegistryUnavailableError,
    UnsafePathError,
)
from kitops_orchestration.modelkit.kitfile import Dataset, Kitfile, Model
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import UnpackResult, unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.settings import Limits

BUCKET = "training-data"
ROWS = b"a,b\n1,2\n" * 50_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "KITOPS_ORCHESTRATION_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def kit(s3: Any, tmp_path: Path) -> Callable[..., LayoutRepository]:
    """Return a function that packs a model whose data stays on S3."""

    def make(etag: str, *, path: str = "data/train.csv", key: str = "2026/train.csv") -> LayoutRepository:
        context = tmp_path / "context"
        context.mkdir()
        (context / "m.bin").write_bytes(b"weights")
        datasets = (Dataset(name="train", path=path, remote_path=f"s3://{BUCKET}/{key}", remote_hash=etag),)
        kitfile = Kitfile("1.0.0", model=Model(path="m.bin"), datasets=datasets)
        repository = LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "iris"))
        pack(context, repository, tag="v1", kitfile=kitfile)
        return repository

    return make


def fetch(repository: LayoutRepository, target: Path, **options: Any) -> UnpackResult:
    return unpack(repository, "v1", target, include_remote=True, **options)


def test_the_object_is_fetched_to_the_path_of_its_dataset(s3: Any, kit: Any, tmp_path: Path) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="2026/train.csv", Body=ROWS)["ETag"].strip('"')

    result = fetch(kit(etag), tmp_path / "out")

    assert (tmp_path / "out/data/train.csv").read_bytes() == ROWS
    assert (tmp_path / "out/m.bin").read_bytes() == b"weights"
    assert result.warnings == ()


def test_a_path_with_a_slash_at_its_end_is_a_folder(s3: Any, kit: Any, tmp_path: Path) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="2026/train.csv", Body=ROWS)["ETag"]  # as S3 gives it, in quotes

    fetch(kit(etag, path="data/"), tmp_path / "out")

    assert (tmp_path / "out/data/train.csv").read_bytes() == ROWS


def test_an_object_that_was_uploaded_in_parts_has_another_kind_of_etag(s3: Any, kit: Any, tmp_path: Path) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="big")["UploadId"]
    where = {"Bucket": BUCKET, "Key": "big", "UploadId": upload}
    part = s3.upload_part(**where, PartNumber=1, Body=ROWS)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    etag = s3.complete_multipart_upload(**where, MultipartUpload=parts)["ETag"].strip('"')
    assert etag.endswith("-1")

    fetch(kit(etag, key="big"), tmp_path / "out")

    assert (tmp_path / "out/data/train.csv").read_bytes() == ROWS


def test_nothing_is_fetched_that_nobody_asked_for(s3: Any, kit: Any, tmp_path: Path) -> None:
    repository = kit("0" * 32)

    result = unpack(repository, "v1", tmp_path / "out")

    assert result.warnings == (f"dataset train: stays in s3://{BUCKET}/2026/train.csv, not asked for",)
    assert not (tmp_path / "out/data").exists()
    assert fetch(repository, tmp_path / "model", filters=["model"]).warnings == ()
    assert fetch(repository, tmp_path / "other", filters=["model", "datasets:test"]).files == 1


def test_an_object_that_was_replaced_is_refused_and_nothing_is_left(s3: Any, kit: Any, tmp_path: Path) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="2026/train.csv", Body=ROWS)["ETag"].strip('"')
    repository = kit(etag)
    s3.put_object(Bucket=BUCKET, Key="2026/train.csv", Body=b"poisoned")

    with pytest.raises(DigestMismatchError, match="not what the ModelKit was made with") as caught:
        fetch(repository, tmp_path / "work/out")

    assert etag in str(caught.value)
    assert not (tmp_path / "work").exists()


def test_an_object_that_is_gone_is_named(s3: Any, kit: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=f"there is no s3://{BUCKET}/nowhere"):
        fetch(kit("0" * 32, key="nowhere"), tmp_path / "out")


def test_the_callers_limit_counts_objects_too(s3: Any, kit: Any, tmp_path: Path) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="2026/train.csv", Body=ROWS)["ETag"].strip('"')

    with pytest.raises(ModelKitError, match="more than 10000 bytes"):
        fetch(kit(etag), tmp_path / "out", limits=Limits(max_unpacked_bytes=10_000))
    assert not (tmp_path / "out").exists()


def test_a_server_that_is_down_is_worth_another_try(
    s3: Any, kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = kit("0" * 32)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")

    with pytest.raises(RegistryUnavailableError) as caught:
        fetch(repository, tmp_path / "out")
    assert caught.value.transient


def test_missing_credentials_are_said(s3: Any, kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = kit("0" * 32)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(AuthenticationError, match="credentials"):
        fetch(repository, tmp_path / "out")


def test_a_bucket_is_not_a_dataset(s3: Any, kit: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelKitError, match="not an object on S3"):
        fetch(kit("0" * 32, key="folder/"), tmp_path / "out")


def test_an_object_cannot_be_written_outside_of_the_target(s3: Any, kit: Any, tmp_path: Path) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="2026/..", Body=ROWS)["ETag"].strip('"')

    with pytest.raises(UnsafePathError):
        fetch(kit(etag, path="data/", key="2026/.."), tmp_path / "out")
    assert not (tmp_path / "out").exists()
