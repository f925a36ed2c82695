"""What people read. An answer is built once, as a :class:`~kitops_orchestration.presentation.page.Page`.

Every value that answers a question has ``page()``; terminal, Markdown, HTML and notebooks show that one value, and so
do Airflow and Dagster.  A page holds text and says what it is (a name, a reference, a verdict); only the renderers know
what escaping their medium needs, so nothing from a registry can become markup or move a cursor::

    page = client.lineage("registry.example/team/iris:v1").page()
    print(terminal.render(page, width=80))
    pathlib.Path("iris.html").write_text(html.render(page))

All floors above may use this package; it uses none of them.

Used by ``airflow_kitops``, ``airflow_kitops.notifications``, ``airflow_kitops.operators``, ``airflow_kitops.ui``,
``catalog``, ``catalog.views``, ``cli.commands.look``, ``cli.commands.machine``, ``cli.commands.make``,
``cli.output``, ``client``, ``dagster_kitops``, ``lineage.answers``, ``lineage.passport``, ``lineage.projections``,
``lineage.statements``, ``modelkit``, ``modelkit.packing.gate``, ``modelkit.validation``, ``oci``, ``oci.registry``,
``promotion``, ``promotion.checkpoint``, ``promotion.records``, ``promotion.retention``, ``signing``,
``signing.keys``, ``testing.conformance``: ``answer`` (Answer); ``html``; ``markdown`` (block, cell, render);
``markup`` (element, joined, Markup); ``page`` (Cell, Chip, Code, CodeBlock, Drawing, Facts, Inline, Items, Lines,
Link, Measure, Measures, Mood, Page, Paragraph, Section, Soft, Strong, Table, Verdict, Verdicts); ``terminal``
(with_short_digests); ``text`` (one_line, printable); ``value_text`` (counted, size_text, value_text).
"""
