"""The Kitfile: the YAML that describes a ModelKit, read as Go's yaml.v3 reads it and written as it writes."""

from kitops_orchestration.modelkit.kitfile.kitfile import (
    KITFILE_NAMES,
    MANIFEST_VERSION,
    Code,
    Dataset,
    Doc,
    Entry,
    Kitfile,
    McpServer,
    Model,
    ModelPart,
    Package,
    Prompt,
)

__all__ = [
    "KITFILE_NAMES",
    "MANIFEST_VERSION",
    "Code",
    "Dataset",
    "Doc",
    "Entry",
    "Kitfile",
    "McpServer",
    "Model",
    "ModelPart",
    "Package",
    "Prompt",
]
