"""What is printed: answers as pages or JSON, failures with what to do, progress.

Used by ``airflow_kitops.cli``, ``cli``, ``cli.commands.look``, ``cli.commands.machine``, ``cli.commands.make``,
``cli.commands.mlflow``, ``cli.commands.promote``, ``cli.commands.vouch``, ``cli.options``: ``answer`` (AsPage,
facts_of, human_bytes, print_answer, print_attached, print_facts, print_json, print_page, print_text, print_warning);
``characters`` (escape_what_has_no_sign); ``failure`` (in_terminal_words, report_bug, report_expected, report_stopped,
report_system, report_unwritable_name, report_usage); ``list_template`` (ListItem, read_template); ``movement``
(print_copied); ``nearby`` (repositories_beside, say_what_is_there); ``progress_bar`` (show_progress, STYLES);
``promoted`` (print_promoted).

    >>> from kitops_orchestration.cli.output.answer import print_facts
    >>> print_facts([("files", 3), ("size", "1.0 KiB")])
    files  3
    size   1.0 KiB
"""
