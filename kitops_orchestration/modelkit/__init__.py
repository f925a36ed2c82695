"""KitOps on top of OCI: what a Kitfile says, what layers hold, and how a folder becomes a ModelKit and a folder again.

For everything from ``signing`` upwards; it knows no signature, no promotion and no MLflow.  The verbs are bound by
:class:`kitops_orchestration.KitClient`; here are the values that they take and return.

    >>> from kitops_orchestration.modelkit import Kitfile
    >>> Kitfile.parse("manifestVersion: '1.0.0'\\nmodel: {path: weights.bin}").model.path
    'weights.bin'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.catalog import Listed as Listed
    from kitops_orchestration.modelkit.inspect import ModelKit as ModelKit
    from kitops_orchestration.modelkit.inspect import ModelKitLayer as ModelKitLayer
    from kitops_orchestration.modelkit.kit_storage import KitStorageRepository as KitStorageRepository
    from kitops_orchestration.modelkit.kitfile import Code as Code
    from kitops_orchestration.modelkit.kitfile import Dataset as Dataset
    from kitops_orchestration.modelkit.kitfile import Doc as Doc
    from kitops_orchestration.modelkit.kitfile import Kitfile as Kitfile
    from kitops_orchestration.modelkit.kitfile import McpServer as McpServer
    from kitops_orchestration.modelkit.kitfile import Model as Model
    from kitops_orchestration.modelkit.kitfile import ModelPart as ModelPart
    from kitops_orchestration.modelkit.kitfile import Package as Package
    from kitops_orchestration.modelkit.kitfile import Prompt as Prompt
    from kitops_orchestration.modelkit.pack import PackedLayer as PackedLayer
    from kitops_orchestration.modelkit.pack import PackResult as PackResult
    from kitops_orchestration.modelkit.packing.gate import GateFinding as GateFinding
    from kitops_orchestration.modelkit.packing.gate import GateReport as GateReport
    from kitops_orchestration.modelkit.packing.gate import GateRules as GateRules
    from kitops_orchestration.modelkit.unpack import UnpackResult as UnpackResult
    from kitops_orchestration.modelkit.validation.report import Validation as Validation
    from kitops_orchestration.modelkit.validation.report import ValidationFinding as ValidationFinding

__all__ = [
    "Code",
    "Dataset",
    "Doc",
    "GateFinding",
    "GateReport",
    "GateRules",
    "KitStorageRepository",
    "Kitfile",
    "Listed",
    "McpServer",
    "Model",
    "ModelKit",
    "ModelKitLayer",
    "ModelPart",
    "PackResult",
    "Package",
    "PackedLayer",
    "Prompt",
    "UnpackResult",
    "Validation",
    "ValidationFinding",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "Code": "kitfile",
            "Dataset": "kitfile",
            "Doc": "kitfile",
            "GateFinding": "packing.gate",
            "GateReport": "packing.gate",
            "GateRules": "packing.gate",
            "KitStorageRepository": "kit_storage",
            "Kitfile": "kitfile",
            "Listed": "catalog",
            "McpServer": "kitfile",
            "Model": "kitfile",
            "ModelKit": "inspect",
            "ModelKitLayer": "inspect",
            "ModelPart": "kitfile",
            "PackResult": "pack",
            "Package": "kitfile",
            "PackedLayer": "pack",
            "Prompt": "kitfile",
            "UnpackResult": "unpack",
            "Validation": "validation.report",
            "ValidationFinding": "validation.report",
        },
    )
