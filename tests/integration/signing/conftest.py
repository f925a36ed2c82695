"""Keys that stay where they are: a KMS over HTTP, a security module as a library."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.testing.builders import push_random_modelkit

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "1234"


@pytest.fixture
def client(tmp_path: Path) -> KitClient:
    return KitClient(f"file://{tmp_path}/registry")


@pytest.fixture
def kit(client: KitClient) -> Descriptor:
    """A ModelKit at ``team/iris:v1``."""
    return push_random_modelkit(client.repository("team/iris:v1"), tag="v1", seed=7).descriptor


@pytest.fixture(scope="module")
def kms_endpoint() -> Iterator[str]:
    """A KMS on loopback, which hashes as AWS does.

    moto hashes what it is given, also where ``MessageType`` says that it is a digest ("DIGEST is not yet
    implemented"), so that nothing signed through it would verify.  Its two ``sign`` functions are replaced by ones
    that take what is as long as a digest for one; the rest, HTTP included, is moto's own.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
    from moto.kms import utils as kms
    from moto.server import ThreadedMotoServer

    def hashing(algorithm: str, message: bytes) -> Any:
        found = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[-3:]]
        return utils.Prehashed(found) if len(message) == found.digest_size else found

    def sign_ec(self: Any, message: bytes, algorithm: str) -> bytes:
        return self.private_key.sign(message, ec.ECDSA(hashing(algorithm, message)))

    def sign_rsa(self: Any, message: bytes, algorithm: str) -> bytes:
        form = hashing(algorithm, message)
        is_old = "PKCS1" in algorithm
        pad = padding.PKCS1v15() if is_old else padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return self.private_key.sign(message, pad, form)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kms.ECDSAPrivateKey, "sign", sign_ec)
        patch.setattr(kms.RSAPrivateKey, "sign", sign_rsa)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def kms(kms_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A client of the KMS, in an environment in which ``awskms:`` finds it, too."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL_KMS": kms_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.client("kms")


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token named ``release`` with a PIN; returns the path of its module."""
    program = shutil.which("softhsm2-util")
    if program is None or not Path(SOFTHSM).exists():
        message = "softhsm2-util is not installed (apt-get install softhsm2)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    monkeypatch.delenv("COSIGN_PKCS11_PIN", raising=False)
    monkeypatch.delenv("COSIGN_PKCS11_MODULE_PATH", raising=False)
    command = [program, "--init-token", "--free", "--label", "release", "--pin", PIN, "--so-pin", "567890"]
    subprocess.run(command, check=True, capture_output=True)
    import pkcs11

    pkcs11.lib(SOFTHSM).reinitialize()  # another test of this process had another folder of tokens
    return SOFTHSM


@pytest.fixture
def start_authority(tmp_path: Path) -> Iterator[Any]:
    """Start time-stamp authorities, each with certificates of its own."""
    from . import time_authority

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt-get install openssl)")
    running = []

    def start(name: str = "tsa", **options: Any) -> time_authority.Authority:
        running.append(time_authority.start(tmp_path / "authorities" / name, **options))
        return running[-1]

    yield start
    for authority in running:
        authority.stop()


@pytest.fixture
def authority(start_authority: Any) -> Any:
    """A time-stamp authority that works."""
    return start_authority()
