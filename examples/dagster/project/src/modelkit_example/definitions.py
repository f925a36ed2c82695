"""Everything below `defs/`."""

from pathlib import Path

import dagster as dg

from dagster_kitops import validate_modelkits


@dg.definitions
def defs() -> dg.Definitions:
    """Load the components; `dg check defs` says what they would take from each other."""
    return validate_modelkits(dg.load_from_defs_folder(path_within_project=Path(__file__).parent))
