"""SPDX 3.0.1 with the AI and Dataset profiles: the same facts as the CycloneDX document, as JSON-LD.

Source: SPDX 3.0.1 model and its JSON-LD context.  What the profile wants and nobody said is ``NoAssertion`` where the
model has a word for that, and left out else: a bill of materials claims nothing that is not on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kitops_orchestration._version import __version__
from kitops_orchestration.lineage.projections.cyclonedx import package_url
from kitops_orchestration.lineage.projections.libraries import Libraries, libraries
from kitops_orchestration.lineage.projections.licences import licence_of
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.presentation.text import printable
from kitops_orchestration.signing.timestamps import format_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.statements.dependencies import Dependency

_CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_NO_ASSERTION = "expandedlicensing_NoAssertionLicense"
_CREATION = "_:creation"
_EPOCH = "1970-01-01T00:00:00Z"

Element = dict[str, Any]


def spdx_document(passport: PassportFacts) -> dict[str, Any]:
    """Return the document, ready for ``json.dumps``; the same ModelKit and evidence give the same one."""
    base = f"urn:kitops-orchestration:spdx:{passport.digest}"
    creation = {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": "3.0.1",
        "created": _created(passport),
        "createdBy": [f"{base}#tool"],
    }
    tool = _element("SoftwareAgent", f"{base}#tool", name=f"kitops-orchestration {__version__}")
    model, licences = _model(passport, base), _licences(passport, base)
    needed = libraries(passport)
    parts = _parts(passport, needed, base)
    elements = [model, *licences, *(part for part, _ in parts)]
    elements += [*_licensed(model, parts, licences, base), *_used(model, parts, base)]
    document = _element(
        "SpdxDocument",
        f"{base}#document",
        comment="; ".join(f"not read for libraries: {text}" for text in needed.not_read),
        profileConformance=["core", "software", "ai", "dataset", "simpleLicensing", "expandedLicensing"],
        rootElement=[model["spdxId"]],
        element=[item["spdxId"] for item in (tool, *elements)],
    )
    return {"@context": _CONTEXT, "@graph": [creation, tool, document, *elements]}


def _created(passport: PassportFacts) -> str:
    """The ModelKit's own time: a clock would make another document of the same facts."""
    created = passport.version.kit.created
    return format_timestamp(created) if created else _EPOCH


def _element(kind: str, spdx_id: str, **members: Any) -> Element:
    kept = {name: value for name, value in members.items() if value not in (None, "", [])}
    return {"type": kind, "spdxId": spdx_id, "creationInfo": _CREATION, **kept}


def _model(passport: PassportFacts, base: str) -> Element:
    kitfile = passport.version.kit.kitfile
    said = {item.name: printable(item.text) for item in passport.version.lineage.written if _counts(item)}
    build = passport.version.lineage.provenance
    parameters = build.external_parameters.get("parameters") if build else None
    return _element(
        "ai_AIPackage",
        f"{base}#model",
        name=printable(passport.name),
        description=printable(passport.description),
        software_packageVersion=printable(passport.version_name),
        software_packageUrl=package_url(passport),
        software_primaryPurpose="model",
        releaseTime=None if passport.version.kit.created is None else _created(passport),
        verifiedUsing=[_hash(passport.version.kit.digest.hex)],
        ai_typeOfModel=[printable(kitfile.model.framework)] if kitfile.model and kitfile.model.framework else [],
        ai_informationAboutApplication=said.get("intended-use"),
        ai_informationAboutTraining=said.get("training-data"),
        ai_limitation=said.get("limitations"),
        ai_standardCompliance=[said["standards"]] if "standards" in said else [],
        ai_metric=_entries(passport.metrics),
        ai_hyperparameter=_entries(parameters if isinstance(parameters, dict) else {}),
    )


def _counts(item: Any) -> bool:
    return bool(item.card.evidence.is_verified)


def _entries(values: Any) -> list[dict[str, str]]:
    return [
        {"type": "DictionaryEntry", "key": printable(name), "value": printable(value)}
        for name, value in sorted(values.items())
    ]


def _hash(hexadecimal: str, algorithm: str = "sha256") -> dict[str, str]:
    return {"type": "Hash", "algorithm": algorithm, "hashValue": hexadecimal}


def _licences(passport: PassportFacts, base: str) -> list[Element]:
    """Return the licence; and, where its words are no expression of SPDX, these words as a licence of their own."""
    licence = licence_of(printable(passport.licence))
    written = None if licence is None else licence.expression or licence.custom_id
    if licence is None or written is None:
        return []  # a whole text, or nothing that a name can be made of
    kind, name = "simplelicensing_LicenseExpression", "simplelicensing_licenseExpression"
    if licence.expression is not None:
        return [_element(kind, f"{base}#licence", **{name: written})]
    words = _element(
        "simplelicensing_SimpleLicensingText",
        f"{base}#licence-words",
        name=written,
        simplelicensing_licenseText=licence.words,
    )
    where = [{"type": "DictionaryEntry", "key": written, "value": words["spdxId"]}]
    return [_element(kind, f"{base}#licence", **{name: written, "simplelicensing_customIdToUri": where}), words]


def _parts(passport: PassportFacts, needed: Libraries, base: str) -> list[tuple[Element, str]]:
    """Return what went into the model, and how it is related to it."""
    # What only a base model learned from is no data of this run.
    found = [(_data(use.data, base), "dependsOn" if use.depth else "trainedOn") for use in passport.data.data]
    found += [(_package(item, base, "model"), "descendantOf") for item in passport.data.base_models]
    found += [(_package(item, base, "source"), "dependsOn") for item in passport.version.lineage.source]
    for library in needed.named:
        found.append(
            (
                _element(
                    "software_Package",
                    f"{base}#{_name('library', library.identity)}",
                    name=library.name,
                    software_packageVersion=library.version,
                    software_packageUrl=library.package_url,
                    software_downloadLocation=library.address,
                    software_primaryPurpose="library",
                    comment=f"wanted: {library.wanted}" if library.wanted else None,
                ),
                "dependsOn",
            )
        )
    return list({part["spdxId"]: (part, kind) for part, kind in found}.values())


def _data(item: Dependency, base: str) -> Element:
    return _element(
        "dataset_DatasetPackage",
        f"{base}#{_name('data', item.identity or item.shown)}",
        name=printable(item.shown),
        software_primaryPurpose="data",
        dataset_datasetType=["noAssertion"],
        verifiedUsing=[_hash(item.digest["sha256"])] if "sha256" in item.digest else [],
        comment=printable(item.uri or ""),
    )


def _package(item: Dependency, base: str, purpose: str) -> Element:
    return _element(
        "software_Package",
        f"{base}#{_name(purpose, item.identity or item.shown)}",
        name=printable(item.shown),
        software_primaryPurpose=purpose,
        verifiedUsing=[_hash(item.digest["sha256"])] if "sha256" in item.digest else [],
        comment=printable(item.identity),
    )


def _licensed(model: Element, parts: list[tuple[Element, str]], licences: list[Element], base: str) -> list[Element]:
    """One declared and one concluded licence for the model and each data set, as their profiles want."""
    declared = licences[0]["spdxId"] if licences else _NO_ASSERTION
    found = [(model, "hasDeclaredLicense", declared), (model, "hasConcludedLicense", _NO_ASSERTION)]
    for part, _ in parts:
        if part["type"] == "dataset_DatasetPackage":
            found += [(part, "hasDeclaredLicense", _NO_ASSERTION), (part, "hasConcludedLicense", _NO_ASSERTION)]
    return [_relation(item, kind, [to], base) for item, kind, to in found]


def _used(model: Element, parts: list[tuple[Element, str]], base: str) -> list[Element]:
    kinds = dict.fromkeys(kind for _, kind in parts)
    return [_relation(model, kind, [part["spdxId"] for part, its in parts if its == kind], base) for kind in kinds]


def _relation(item: Element, kind: str, to: list[str], base: str) -> Element:
    name = _name(kind, item["spdxId"])
    return _element("Relationship", f"{base}#{name}", **{"from": item["spdxId"]}, relationshipType=kind, to=to)


def _name(kind: str, identity: str) -> str:
    """An id of our own: no text of a ModelKit is part of an address."""
    return f"{kind}-{Digest.of(identity.encode('utf-8', 'surrogatepass')).hex[:24]}"
