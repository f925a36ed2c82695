"""Verbs that only read: ``kitctl inspect``, ``kitctl lineage``.

Used by ``airflow_kitops.cli``: ``list`` (print_modelkits).
"""
