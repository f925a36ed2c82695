"""Verbs about this machine: ``kitctl login``, ``kitctl doctor``.

Used by ``airflow_kitops.cli``: ``doctor`` (print_findings).
"""
