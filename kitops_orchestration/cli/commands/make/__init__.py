"""Verbs that make ModelKits and move them: ``kitctl pack``, ``kitctl copy``."""
