"""Generate: a Kitfile for a directory that has none, by the rules of ``kit init``.

MLflow model directories and Hugging Face snapshots are recognised first, because they say themselves what
they are: see :mod:`~kitops_orchestration.modelkit.generate.recognise`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from kitops_orchestration.modelkit.generate import recognise
from kitops_orchestration.modelkit.generate.directory_listing import FoundDirectory, FoundFile, list_directory
from kitops_orchestration.modelkit.generate.file_types import FileType, type_of
from kitops_orchestration.modelkit.generate.ignore_lines import ignore_lines
from kitops_orchestration.modelkit.generate.licenses import detect_license
from kitops_orchestration.modelkit.kitfile import (
    KITFILE_NAMES,
    MANIFEST_VERSION,
    Code,
    Dataset,
    Doc,
    Kitfile,
    McpServer,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitops_orchestration.modelkit.kitfile import rules as kitfile_rules
from kitops_orchestration.modelkit.kitfile.front_matter import read_front_matter, text_field

_CODE_NAMES = ("src", "pkg", "lib", "build")
_MAX_OPEN_DIRECTORIES = 5


class GenerateOptions(TypedDict, total=False):
    """What :func:`generate` takes by name and a client or an adapter hands through."""

    name: str | None
    description: str | None
    author: str | None
    ignore: Sequence[str] | None


def generate(
    context_dir: Path,
    *,
    name: str | None = None,
    description: str | None = None,
    author: str | None = None,
    ignore: Sequence[str] | None = None,
) -> Kitfile:
    """Return a Kitfile that describes a directory; nothing is written.

    ``name``, ``description`` and ``author`` fill the package, over what the directory says of itself.  What its
    ``.kitignore`` and ``ignore`` leave out is not described.  ``ignore=None`` leaves out what nobody means to send
    (:func:`~kitops_orchestration.modelkit.generate.ignore_lines.ignore_lines`): give the same lines to the pack.

    Raises:
        ModelKitError: the directory cannot be read.
    """
    listing = list_directory(context_dir, ignore=ignore_lines(context_dir) if ignore is None else ignore)
    kitfile = recognise.recognise(context_dir, listing) or _Draft(context_dir, listing).kitfile()
    package = kitfile.package
    authors = (author,) if author else package.authors
    package = replace(
        package, name=name or package.name, description=description or package.description, authors=authors
    )
    kitfile = replace(kitfile, package=package)
    kitfile_rules.check(kitfile)
    return kitfile


@dataclass(slots=True)
class _Draft:
    context_dir: Path
    listing: FoundDirectory
    models: list[FoundFile] = field(default_factory=list)
    metadata: list[FoundFile] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    docs: list[Doc] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    servers: list[McpServer] = field(default_factory=list)
    skills: list[dict[str, Any]] = field(default_factory=list)
    open_directories: list[str] = field(default_factory=list)
    license: str = ""
    needs_catch_all: bool = False

    def kitfile(self) -> Kitfile:
        if self._add_skill(self.listing):
            return Kitfile(MANIFEST_VERSION, self._package(), prompts=tuple(self.prompts))
        for file in self.listing.files:
            self._add_file(file)
        for directory in self.listing.directories:
            self._add_directory(directory)
        self._settle_code()
        model = _model_of(self.models)
        if model is not None:
            model = replace(model, parts=(*model.parts, *(ModelPart(path=file.path) for file in self.metadata)))
        else:
            self.datasets += [Dataset(path=file.path) for file in self.metadata]
        return self._licensed(model)

    def _add_file(self, file: FoundFile) -> None:
        lower = file.name.lower()
        if file.name in KITFILE_NAMES:
            return
        if lower.startswith("readme"):
            self.docs.append(Doc(path=file.path, description="Readme file"))
        elif lower.startswith("license"):
            self.docs.append(Doc(path=file.path, description="License file"))
            self.license = read_license(self.context_dir / file.path)
        elif not self._add_typed(type_of(file.name), file):
            self.needs_catch_all = True

    def _add_typed(self, kind: FileType, file: FoundFile) -> bool:
        if kind == "model":
            self.models.append(file)
        elif kind == "metadata":
            self.metadata.append(file)
        elif kind == "docs":
            self.docs.append(Doc(path=file.path))
        elif kind == "dataset":
            self.datasets.append(Dataset(path=file.path))
        elif kind == "prompt":
            self.prompts.append(Prompt(path=file.path))
        elif kind == "mcpb":
            self.servers.append(McpServer(name=file.path.removesuffix(".mcpb"), path=file.path))
        return kind != "unknown"

    def _add_directory(self, directory: FoundDirectory) -> None:
        if self._add_skill(directory):
            return
        if directory.name == "docs":
            self.docs.append(Doc(path=directory.path))
            return
        if directory.name in _CODE_NAMES:
            self.code.append(Code(path=directory.path))
            return
        kinds = {type_of(file.name) for file in directory.files} - {"metadata"}
        if directory.directories:
            kinds.add("unknown")
        models = [file for file in directory.files if type_of(file.name) == "model"]
        self.models += models
        if kinds == {"model"}:
            self.models += [file for file in directory.files if type_of(file.name) == "metadata"]
        elif kinds == {"mcpb"}:
            for file in directory.files:
                self._add_typed(type_of(file.name), file)
        elif not self._add_whole(kinds, directory.path):
            self.open_directories.append(directory.path)

    def _add_whole(self, kinds: set[FileType], path: str) -> bool:
        if kinds == {"dataset"}:
            self.datasets.append(Dataset(path=path))
        elif kinds == {"docs"}:
            self.docs.append(Doc(path=path))
        elif kinds == {"prompt"}:
            self.prompts.append(Prompt(path=path))
        else:
            return False
        return True

    def _add_skill(self, directory: FoundDirectory) -> bool:
        """Take a directory with a SKILL.md as one prompt: an agent skill."""
        file = next((file for file in directory.files if file.name.lower() == "skill.md"), None)
        if file is None:
            return False
        front = read_front_matter(self.context_dir / file.path)
        self.skills.append(front)
        self.prompts.append(
            Prompt(name=text_field(front, "name"), path=directory.path, description=text_field(front, "description"))
        )
        return True

    def _settle_code(self) -> None:
        if self.needs_catch_all or len(self.open_directories) > _MAX_OPEN_DIRECTORIES:
            self.code = [Code(path=".")]
        else:
            self.code += [Code(path=path) for path in self.open_directories]

    def _package(self) -> Package:
        """Return what the skills say of the whole, where there is nothing else or nothing better."""
        if not self.skills:
            return Package()
        first = self.skills[0]
        only_prompts = not (self.models or self.code or self.datasets or self.docs)
        speaks_for_all = only_prompts and len(self.skills) == 1
        return Package(
            name=text_field(first, "name") if speaks_for_all else "",
            description=text_field(first, "description") if speaks_for_all else "",
            license=text_field(first, "license"),
        )

    def _licensed(self, model: Model | None) -> Kitfile:
        package = self._package()
        if self.license and model is not None:
            model = replace(model, license=self.license)
        elif len(self.datasets) == 1:
            self.datasets[0] = replace(self.datasets[0], license=self.license)
        elif len(self.code) == 1:
            self.code[0] = replace(self.code[0], license=self.license)
        elif self.license:
            package = replace(package, license=self.license)
        return Kitfile(
            MANIFEST_VERSION,
            package,
            model,
            tuple(self.code),
            tuple(self.datasets),
            tuple(self.docs),
            tuple(self.prompts),
            tuple(self.servers),
        )


def read_license(path: Path) -> str:
    """Return the SPDX identifier of a licence file, or nothing when it is not one known licence."""
    try:
        return detect_license(path.read_text(encoding="utf-8", errors="replace")) or ""
    except OSError:
        return ""


def _model_of(files: list[FoundFile]) -> Model | None:
    """Choose the model: the only file, one far larger than the others, else the first; the rest are parts."""
    if not files:
        return None
    average = sum(file.size for file in files) // len(files)
    largest = max(files, key=lambda file: file.size)
    stands_out = len(files) == 1 or largest.size > average + average // 2
    chosen = largest if stands_out else files[0]
    parts = _parts(file for file in files if file is not chosen)
    return Model(name=_stem(chosen) if stands_out else "", path=chosen.path, parts=parts)


def _parts(files: Iterable[FoundFile]) -> tuple[ModelPart, ...]:
    return tuple(ModelPart(path=file.path) for file in files)


def _stem(file: FoundFile) -> str:
    suffix = file.name[file.name.rindex(".") :] if "." in file.name else ""
    return file.path.removesuffix(suffix)
