"""Verbs of keys, signatures and reports: ``kitctl sign``, ``kitctl attest``."""
