"""Verbs that read from MLflow, write to it or run its models: ``kitctl export-run``."""
