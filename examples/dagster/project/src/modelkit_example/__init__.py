"""ModelKits in a dg project: see `defs/`."""
