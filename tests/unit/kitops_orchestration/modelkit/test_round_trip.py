"""Packing and unpacking is the identity: content, modes, empty directories, odd names."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kitops_orchestration.modelkit.kitfile import Kitfile, Model, Package
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.packing.gate import GateRules
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

ALWAYS_IGNORED = {"Kitfile", "kitfile", ".kitfile", ".kitignore", ".kitallow"}
# Names as bytes: whatever a Linux file system takes, UTF-8 or not.
names = (
    (
        st.binary(min_size=1, max_size=12)
        | st.text(min_size=1, max_size=40).map(lambda text: text.encode("utf-8", "ignore"))
    )
    .map(lambda raw: raw.replace(b"\0", b"").replace(b"/", b"")[:200])
    .filter(lambda raw: raw not in (b"", b".", b".."))
    .map(os.fsdecode)
    .filter(lambda name: name not in ALWAYS_IGNORED)
)
files = st.tuples(st.binary(max_size=3000), st.sampled_from([0o644, 0o600, 0o755, 0o444, 0o777, 0o666]))
trees: Any = st.recursive(files, lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=8)
contexts = st.dictionaries(names, trees, min_size=1, max_size=4)


def build(root: str, tree: dict[str, Any]) -> None:
    for name, value in tree.items():
        path = Path(f"{root}/{name}")
        if isinstance(value, dict):
            path.mkdir()
            build(str(path), value)
        else:
            path.write_bytes(value[0])
            path.chmod(value[1])


def snapshot(root: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for folder, directories, found in os.walk(root):
        for name in directories:
            path = Path(folder, name)
            result[os.path.relpath(path, root)] = ("directory", path.stat().st_mode)
        for name in found:
            path = Path(folder, name)
            result[os.path.relpath(path, root)] = (path.read_bytes(), path.stat().st_mode)
    return result


@contextlib.contextmanager
def no_umask() -> Iterator[None]:
    """Let unpacked files have the modes that they were packed with, whatever the user's umask takes away."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@settings(suppress_health_check=list(HealthCheck))
@given(tree=contexts, compression=st.sampled_from(["none", "gzip-fastest", "zstd"]))
def test_what_is_unpacked_is_what_was_packed(tree: dict[str, Any], compression: Any) -> None:
    with tempfile.TemporaryDirectory() as base, no_umask():
        context = f"{base}/context"
        Path(context).mkdir()
        build(context, tree)
        repository = LayoutRepository(Reference(folder_registry(Path(base, "registry")), "kit"))
        kitfile = Kitfile("1.0.0", Package("x"), Model(path="."))
        rules = GateRules(on_content="warn", on_secret="warn")  # names and content are drawn at random

        first = pack(
            Path(context),
            repository,
            tag="v1",
            kitfile=kitfile,
            compression=compression,
            use_cache=False,
            gate_rules=rules,
        )
        unpack(repository, "v1", Path(base, "out"), filters=["model"])
        again = pack(
            Path(base, "out"), repository, kitfile=kitfile, compression=compression, use_cache=False, gate_rules=rules
        )

        assert snapshot(f"{base}/out") == snapshot(context)
        assert again.digest == first.digest
