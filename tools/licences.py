"""Print docs/reference/licences.md: what is installed with the core and with each extra, and under which licence.

    .venv/bin/python tools/licences.py > docs/reference/licences.md

Read from the metadata of the packages in the environment that runs this.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "kitops-orchestration"
HEAD = """# Licences of dependencies

What `pip install kitops-orchestration` brings along, and what each extra adds, with the licence that each package
states about itself. Tools for tests, linting and documentation are not listed, because they are not installed with it.
Made by `tools/licences.py`.
"""
SHORT = {
    "apache software license": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2.0 license": "Apache-2.0",
    "mit license": "MIT",
    "the mit license": "MIT",
    "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}


NOT_LOCKED = {"kingfisher-secret-scanner": "Apache-2.0"}
"""In no environment of this checkout (pyproject.toml says why at its extra): its licence was looked up."""


def wanted(requirement: Requirement, extras: Iterable[str]) -> bool:
    """Tell whether a requirement applies here, with these extras of the package that states it."""
    marker = requirement.marker
    environment = {str(name): str(value) for name, value in default_environment().items()}
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ["", *extras])


def closure(name: str, extras: frozenset[str], found: dict[str, str], seen: set[tuple[str, str]]) -> None:
    """Collect what ``name`` with ``extras`` needs, itself included, as far as it is installed."""
    keys = {(name, extra) for extra in ["", *extras]}
    if keys <= seen:
        return
    seen |= keys
    try:
        package = distribution(name)
    except PackageNotFoundError:
        if name in NOT_LOCKED:
            found[name] = NOT_LOCKED[name]
        return  # of the others the marker is for another platform or Python
    found[name] = licence(package)
    for text in package.requires or ():
        requirement = Requirement(text)
        if wanted(requirement, extras):
            closure(canonicalize_name(requirement.name), frozenset(requirement.extras), found, seen)


def needed(extras: frozenset[str]) -> dict[str, str]:
    """Return what our own distribution needs with ``extras``, and the licence of each."""
    found: dict[str, str] = {}
    closure(OURS, extras, found, set())
    del found[OURS]
    return found


def licence(package: Distribution) -> str:
    """Return the licence that a package states: its SPDX expression, else its classifiers, else its own words."""
    metadata = package.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")
    ]
    names = [name for name in classifiers if name != "OSI Approved"] or [str(metadata.get("License") or "not stated")]
    short = [SHORT.get(name.strip().lower(), name.strip().splitlines()[0][:60]) for name in names]
    return " OR ".join(dict.fromkeys(short))


def table(packages: dict[str, str]) -> list[str]:
    """Return the lines of a Markdown table of packages."""
    rows = [f"| {name} | {stated} |" for name, stated in sorted(packages.items())]
    return ["| package | licence |", "|---|---|", *rows, ""]


def main() -> None:
    """Print the page."""
    core = needed(frozenset())
    lines = [HEAD, "## The core", "", *table(core)]
    for extra in sorted(set(distribution(OURS).metadata.get_all("Provides-Extra") or ()) - {"all"}):
        more = {name: package for name, package in needed(frozenset({extra})).items() if name not in core}
        lines += [f"## `[{extra}]` adds", "", *table(more)]
    print("\n".join(lines).rstrip())


if __name__ == "__main__":
    main()
