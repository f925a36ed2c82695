"""CycloneDX 1.6 bill of materials for a ModelKit: the model with its card, data, base models and code.

Source: CycloneDX 1.6 JSON schema, ``modelCard``; package URL type ``oci``.  A projection of the passport: the
same ModelKit and evidence give the same document.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kitops_orchestration._version import __version__
from kitops_orchestration.lineage.projections.libraries import Libraries, libraries
from kitops_orchestration.lineage.projections.licences import licence_of
from kitops_orchestration.presentation.text import printable

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.projections.requirement_lines import Library
    from kitops_orchestration.lineage.statements.dependencies import Dependency

_SPEC_VERSION = "1.6"


def bill_of_materials(passport: PassportFacts) -> dict[str, Any]:
    """Return the document; attach it with ``attest(repository, target, "bom", document)``."""
    model, needed = _model(passport), libraries(passport)
    parts = [*_data(passport), *_base_models(passport), *_code(passport), *_libraries(needed)]
    components = list({part["bom-ref"]: part for part in parts}.values())
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'oci://{passport.digest}')}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "kitops-orchestration", "version": __version__}]},
            "component": model,
            **_not_read(needed),
        },
        "components": components,
        "dependencies": [
            {"ref": model["bom-ref"], "dependsOn": [part["bom-ref"] for part in components]},
            *({"ref": part["bom-ref"]} for part in components),
        ],
    }


def package_url(passport: PassportFacts) -> str:
    """Return ``pkg:oci/name@sha256%3A…?repository_url=…``."""
    reference = passport.reference
    name = quote(reference.repository.rpartition("/")[2].lower(), safe="")
    tag = f"&tag={quote(reference.tag, safe='')}" if reference.tag else ""
    return f"pkg:oci/{name}@{quote(passport.digest, safe='')}?repository_url={quote(reference.name, safe='')}{tag}"


def _model(passport: PassportFacts) -> dict[str, Any]:
    kitfile = passport.version.kit.kitfile
    card: dict[str, Any] = {
        "modelParameters": {
            "datasets": [{"ref": _reference("data", use.data)} for use in passport.data.data],
            **({"architectureFamily": kitfile.model.framework} if kitfile.model and kitfile.model.framework else {}),
        }
    }
    if considerations := _considerations(passport):
        card["considerations"] = considerations
    if passport.metrics:
        card["quantitativeAnalysis"] = {
            "performanceMetrics": [
                {"type": name, "value": str(value)} for name, value in sorted(passport.metrics.items())
            ]
        }
    component = {
        "type": "machine-learning-model",
        "bom-ref": package_url(passport),
        "name": passport.name,
        "version": passport.version_name,
        "description": passport.description or None,
        "hashes": [{"alg": "SHA-256", "content": passport.version.kit.digest.hex}],
        "licenses": _licences(passport),
        "purl": package_url(passport),
        "authors": [{"name": name} for name in kitfile.package.authors] or None,
        "modelCard": card,
    }
    return {key: value for key, value in component.items() if value is not None}


def _licences(passport: PassportFacts) -> list[dict[str, Any]] | None:
    """Return an identifier, an expression, or a name: words that SPDX does not know are a name."""
    licence = licence_of(printable(passport.licence))
    if licence is None:
        return None
    if licence.identifier is not None:
        return [{"license": {"id": licence.identifier}}]
    return (
        [{"license": {"name": licence.words}}] if licence.expression is None else [{"expression": licence.expression}]
    )


def _data(passport: PassportFacts) -> list[dict[str, Any]]:
    found = []
    for use in passport.data.data:
        contents = {"url": use.data.uri} if use.data.uri else None
        entry = {"type": "dataset", "name": use.data.shown, "contents": contents}
        component = {
            "type": "data",
            "bom-ref": _reference("data", use.data),
            "name": use.data.shown,
            "hashes": _hashes(use.data),
            "data": [{key: value for key, value in entry.items() if value}],
        }
        found.append({key: value for key, value in component.items() if value})
    return found


def _base_models(passport: PassportFacts) -> list[dict[str, Any]]:
    return [_component("machine-learning-model", "base", item) for item in passport.data.base_models]


def _code(passport: PassportFacts) -> list[dict[str, Any]]:
    return [_component("application", "code", item) for item in passport.version.lineage.source]


def _libraries(needed: Libraries) -> list[dict[str, Any]]:
    return [_library(library) for library in needed.named]


def _library(library: Library) -> dict[str, Any]:
    component = {
        "type": "library",
        "bom-ref": library.identity,
        "name": library.name,
        "version": library.version,
        "purl": library.package_url,
        "externalReferences": [{"type": "distribution", "url": library.address}] if library.address else None,
        "properties": [{"name": "kitops:wanted", "value": library.wanted}] if library.wanted else None,
    }
    return {key: value for key, value in component.items() if value}


def _not_read(needed: Libraries) -> dict[str, Any]:
    """Say where libraries may be named that are not in this bill: a short list is not a complete one."""
    told = [{"name": "kitops:not-read", "value": text} for text in needed.not_read]
    return {"properties": told} if told else {}


def _considerations(passport: PassportFacts) -> dict[str, Any]:
    """What people wrote and signed, and a trust policy counts: nobody's unchecked word is in a bill of materials."""
    said = {
        item.name: printable(item.text)
        for item in passport.version.lineage.written
        if item.card.evidence.is_verified  # of several texts of one section the last
    }
    ethical = said.get("ethical-considerations")
    return {
        **({"useCases": [said["intended-use"]]} if "intended-use" in said else {}),
        **({"technicalLimitations": [said["limitations"]]} if "limitations" in said else {}),
        **({"ethicalConsiderations": [{"name": ethical}]} if ethical else {}),
    }


def _component(kind: str, prefix: str, item: Dependency) -> dict[str, Any]:
    commit = item.digest.get("gitCommit")
    component = {
        "type": kind,
        "bom-ref": _reference(prefix, item),
        "name": item.shown,
        "version": commit or item.sha256,
        "hashes": _hashes(item),
        "externalReferences": [{"type": "vcs" if commit else "distribution", "url": item.uri}] if item.uri else None,
    }
    return {key: value for key, value in component.items() if value}


def _hashes(item: Dependency) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": item.digest["sha256"]}] if "sha256" in item.digest else []


def _reference(prefix: str, item: Dependency) -> str:
    return f"{prefix}:{item.identity or item.shown}"
