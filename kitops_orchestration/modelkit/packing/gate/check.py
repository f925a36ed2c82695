"""The gate itself: every file that a pack would send is looked at once, before the first byte leaves."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kitops_orchestration import secret_shapes
from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import KitfileError
from kitops_orchestration.modelkit.kitfile import Kitfile, schema
from kitops_orchestration.modelkit.packing.gate import content, names, text
from kitops_orchestration.modelkit.packing.gate.allow_list import AllowList, read_allow_list
from kitops_orchestration.modelkit.packing.gate.findings import (
    KITFILE,
    GateFinding,
    GateReport,
    Level,
    Topic,
    fingerprint,
)
from kitops_orchestration.modelkit.packing.gate.rules import GateRules
from kitops_orchestration.modelkit.packing.gate.scanner import MAX_BYTES, Scanner, installed_scanner
from kitops_orchestration.modelkit.packing.gate.weights import BadWeightsError, NotAtHandError, NotWeightsError
from kitops_orchestration.modelkit.packing.ignore import IgnoreRules
from kitops_orchestration.modelkit.packing.stream import open_entry
from kitops_orchestration.modelkit.packing.walk import Entry, walk

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.packing.gate.onnx import ExternalData

_ARCHIVES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".whl", ".7z", ".jar", ".parquet")
_ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c")
_MAY_BE_PICKLE = re.compile(
    rb"\x80[\x00-\x05]|c[A-Za-z_][\w.]*\r?\n[A-Za-z_]|\([dltciSVIFLNKMUp(]|[}\]][q.(\x94]"
    rb"|\x93NUMPY|x[\x01\x5e\x9c\xda]|\]\x00\x00|PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ"
)
"""What a pickle, or what may hide one, begins with; most files are neither, and nothing is imported for them."""
_ELF_CORE = 4
_SHARD_INDEX = ".index.json"


def check_folder(folder: Path, rules: GateRules = GateRules(), *, exclude: Sequence[str] = ()) -> GateReport:
    """Look at everything in a folder that its ``.kitignore`` does not leave out, whatever its Kitfile says."""
    walked = walk(folder, IgnoreRules.load(folder, more=exclude))
    return check(folder, [walked.entries], rules, documents=_kitfile_in(folder))


def _kitfile_in(folder: Path) -> dict[str, Any]:
    """The folder's Kitfile as a pack would send it; nothing where there is none that can be packed."""
    try:
        return documents_of(Kitfile.load(folder))
    except KitfileError:
        return {}


def documents_of(kitfile: Kitfile, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what a ModelKit says beside its layers, by its name: it leaves as config and in the manifest."""
    return {KITFILE: schema.to_plain(kitfile, for_json=True), "annotations": dict(annotations or {})}


def check(
    folder: Path,
    layers: Iterable[Sequence[Entry]],
    rules: GateRules = GateRules(),
    *,
    models: Mapping[str, Sequence[Entry]] | None = None,
    documents: Mapping[str, Any] | None = None,
    scanner: Scanner | None = None,
    cancel: threading.Event | None = None,
) -> GateReport:
    """Look at the entries of layers, each file once.

    Args:
        folder: where the allow list is.
        layers: what would be packed.
        rules: the policy.
        models: the entries of each model's layer by its path: a model has to have a byte.
        documents: what is sent beside the layers, by its name: the Kitfile, which is the config, and annotations.
        scanner: somebody else's rules; ``None`` takes the extra where it is installed and the rules allow it.
        cancel: stops between two files.

    Raises:
        ModelKitError: a file cannot be read, or was changed since it was listed.
    """
    listed = {entry.path: entry for entries in layers for entry in entries}
    files = {path: entry for path, entry in listed.items() if not entry.is_dir}
    look = Look(rules, scanner)
    for path in listed:
        look.at_name(path)
    for name, document in (documents or {}).items():
        look.at_document(name, document)
    for entry in files.values():
        check_cancelled(cancel, "packing")
        with open_entry(entry) as file:
            look.at_file(entry.path, entry.size, file)
    for path, entries in (models or {}).items():
        look.at_model(path, sum(entry.size for entry in entries))
    return look.report(read_allow_list(folder) if rules.may_allow and rules.use_allow_list else {})


def _place(finding: GateFinding) -> tuple[bool, str, int]:
    return finding.level != "refuse", finding.path, finding.line or 0


def _judged(finding: GateFinding, rules: GateRules, allow_list: AllowList) -> GateFinding:
    """Apply the policy to what was found: how grave it is, and whether somebody allowed it."""
    wanted = rules.on_secret if finding.topic == "secret" else rules.on_content
    level: Level = "warn" if "warn" in (wanted, finding.level) else "refuse"
    reason = rules.reason_for(finding) or allow_list.get((finding.fingerprint, finding.path))
    return replace(finding, level=level, reason=reason)


class Look:
    """Looks at one file after the other, wherever they come from, and makes the report."""

    def __init__(self, rules: GateRules, scanner: Scanner | None = None) -> None:
        if scanner is None and rules.use_scanner:
            scanner = installed_scanner()
        self._rules = rules
        self._scanner = scanner
        self._findings: list[GateFinding] = []
        self._not_checked: list[str] = []
        self._sizes: dict[str, int] = {}
        self._shards: dict[str, str] = {}
        self._external: dict[str, list[ExternalData]] = {}
        self._pickle_scanner: str | None = None
        self._secret_names: dict[str, str] = {}
        self._history: dict[str, list[int]] = defaultdict(list)
        self._junk: dict[names.Junk, list[int]] = defaultdict(list)

    def at_file(self, path: str, size: int, file: BinaryIO) -> None:
        """Look at one file; ``file`` stands at its start and can seek."""
        self._sizes[path] = size
        folder = names.history_folder(path)
        if folder is not None:
            self._history[folder].append(size)
        junk = names.junk_of(path)
        if junk is not None:
            self._junk[junk].append(size)
        head = file.read(min(size, text.HEAD_BYTES)) or b""
        self._note(path, list(self._secrets(path, size, file, head)))
        try:
            self._content(path, size, file, head)
            self._pickles(path, size, file, head)
        except NotAtHandError:
            self._not_looked_into(path, "its structure lies beyond what was read")

    def at_name(self, path: str) -> None:
        """Look at a path itself: it is sent as well.  What is found is shown without the value."""
        folder, _, name = path.rpartition("/")
        shown = secret_shapes.redact(name)
        if folder in self._secret_names or shown != name:
            self._secret_names[path] = f"{self._secret_names.get(folder, folder)}/{shown}" if folder else shown
        for found in secret_shapes.find(name):
            value = name[found.start : found.end]
            self._add(path, "secret", found.rule, f"{found.kind}, in the name", "refuse", value)

    def at_document(self, name: str, document: Any) -> None:
        """Look at what is sent and is no file: mappings, lists and texts."""
        for found in text.secrets_in_document(document):
            self._add(name, "secret", found.rule, found.kind, "refuse", found.value)

    def at_model(self, path: str, size: int) -> None:
        """Refuse a model without a single byte."""
        if not size:
            self._add(path, "content", "empty-model", "the model is empty", "refuse", path)

    def report(self, allow_list: AllowList) -> GateReport:
        """Return what was found, judged by the rules and the allow list."""
        self._at_folders()
        for path, table in self._shards.items():
            missing = content.missing_shards(path, table, self._sizes.keys())
            if missing is not None:
                self._add(path, "content", "missing-weights", missing, "refuse", path)
        for path, wanted in self._external.items():
            from kitops_orchestration.modelkit.packing.gate.onnx import missing_external

            missing = missing_external(path, wanted, self._sizes)
            if missing is not None:
                self._add(path, "content", "missing-weights", missing, "refuse", path)
        named = (self._without_secret(item) for item in self._findings)
        return GateReport(
            findings=tuple(sorted((_judged(item, self._rules, allow_list) for item in named), key=_place)),
            files=len(self._sizes),
            size_bytes=sum(self._sizes.values()),
            not_checked=tuple(self._not_checked),
            scanners=(
                ("kitops-orchestration", secret_shapes.RULES_VERSION),
                *([self._scanner.name] if self._scanner else []),
                *([("picklescan", self._pickle_scanner)] if self._pickle_scanner else []),
            ),
        )

    def _without_secret(self, finding: GateFinding) -> GateFinding:
        shown = self._secret_names.get(finding.path)
        return finding if shown is None else replace(finding, path=shown)

    def _secrets(self, path: str, size: int, file: BinaryIO, head: bytes) -> Iterator[tuple[text.TextSecret, bool]]:
        """Yield secrets, and whether their line is known."""
        if not text.is_text(head):
            if path.lower().endswith(_ARCHIVES) or head.startswith(_ARCHIVE_STARTS):
                self._not_looked_into(path, "an archive, not looked into")
            elif not path.lower().endswith(content.WEIGHTS):
                self._not_looked_into(path, "not text, and its content is of no known kind")
            return
        is_scanned_whole = size <= text.WHOLE_BYTES or (self._scanner is not None and size <= MAX_BYTES)
        if not is_scanned_whole:
            self._not_looked_into(path, "a long text, of which the middle was not read")
        file.seek(0)
        for piece, is_start in text.read_text(file, size):
            for found in text.secrets_in(path, piece):
                yield found, is_start
        if self._scanner is not None and size <= MAX_BYTES:
            file.seek(0)
            for found in self._scanner.secrets_in(file.read(size)):
                yield found, True

    def _note(self, path: str, secrets: Sequence[tuple[text.TextSecret, bool]]) -> None:
        seen: set[tuple[int | None, str]] = set()
        lines: set[int] = set()
        for found, knows_line in secrets:
            line = found.line if knows_line else None
            is_again = found.rule.startswith("kingfisher:") and found.line in lines
            if is_again or (line, found.value) in seen:
                continue
            seen.add((line, found.value))
            lines.add(found.line)
            level: Level = "refuse" if found.is_sure else "warn"
            self._add(path, "secret", found.rule, found.kind, level, found.value, line)
        by_name = names.secret_by_name(path)
        if by_name is not None and not any(found.is_sure for found, _ in secrets):
            self._add(path, "secret", by_name[0], by_name[1], "refuse", path)

    def _pickles(self, path: str, size: int, file: BinaryIO, head: bytes) -> None:
        is_weights = path.lower().endswith((*content.WEIGHTS, ".zip"))
        if not size or not _MAY_BE_PICKLE.match(head):
            return
        from kitops_orchestration.modelkit.packing.gate import pickles

        if not pickles.may_hold_pickle(head, is_whole=size <= len(head), is_weights=is_weights):
            return
        is_archive = head.startswith(_ARCHIVE_STARTS)  # which is said to be one already
        if not self._rules.use_scanner or pickles.scanner_version() is None:
            if not is_archive:
                self._not_looked_into(path, "a pickle, whose code was not looked at")
            return
        self._pickle_scanner = pickles.scanner_version()
        found = pickles.look_into(file, size)
        if found.dangerous:
            kind = f"a pickle that runs {', '.join(found.dangerous[:3])} when it is loaded"
            self._add(path, "content", "dangerous-pickle", kind, "refuse", path)
        elif not found.is_whole and not is_archive:
            self._not_looked_into(path, "a pickle, whose code could not be looked at in whole")
        elif found.has_own_code:
            self._not_looked_into(path, "a pickle with functions by value, whose code was not looked at")

    def _not_looked_into(self, path: str, why: str) -> None:
        self._not_checked.append(f"{self._secret_names.get(path, path)}: {why}")

    def _content(self, path: str, size: int, file: BinaryIO, head: bytes) -> None:
        broken = content.look(path, file, size, head)
        if broken is None and path.lower().endswith(".onnx") and size:
            from kitops_orchestration.modelkit.packing.gate.onnx import check_onnx

            try:
                self._external[path] = check_onnx(file, size)
            except NotWeightsError as error:
                broken = "no-header", str(error), False
            except BadWeightsError as error:
                broken = "broken-weights", str(error), True
        if broken is not None:
            rule, kind, is_sure = broken
            self._add(path, "content", rule, kind, "refuse" if is_sure else "warn", path)
        is_core = head[:4] == b"\x7fELF" and head[16:18] == _ELF_CORE.to_bytes(2, "little")
        if (is_core and names.CORE_DUMP.fullmatch(path)) or names.HEAP_DUMP.fullmatch(path):
            self._add(path, "secret", "memory-dump", "the memory of a program", "refuse", path)
        if path.endswith(_SHARD_INDEX) and size <= text.WHOLE_BYTES:
            file.seek(0)
            self._shards[path] = file.read(size).decode("utf-8", "replace")

    def _at_folders(self) -> None:
        """Say of each folder once what all of its files are."""
        for folder, sizes in self._history.items():
            kind = f"version control: {len(sizes)} files, {sum(sizes)} bytes, with all that was ever deleted"
            self._add(folder, "secret", "history-folder", kind, "refuse", folder)
        for junk, sizes in self._junk.items():
            files = f"{len(sizes)} files, {sum(sizes)} bytes, " if junk.path.endswith("/") else ""
            kind = f"{files}{junk.kind}: leave it out with {junk.pattern} in .kitignore"
            self._add(junk.path, "content", "junk", kind, "warn", junk.path)

    def _add(
        self, path: str, topic: Topic, rule: str, kind: str, level: Level, value: str, line: int | None = None
    ) -> None:
        self._findings.append(GateFinding(path, topic, rule, kind, level, fingerprint(rule, value), line))
