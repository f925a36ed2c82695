"""Verbs of stages and deployments: ``kitctl promote``, ``kitctl status``."""
