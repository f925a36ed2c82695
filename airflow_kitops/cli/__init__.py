"""``airflow kitops …``: questions about ModelKits at Airflow's own command line, asked through a connection.

Airflow imports :mod:`~airflow_kitops.cli.definition` with every command, so it imports nothing of ours.  The
answers look like those of ``kitctl``, whose printing they use.
"""
