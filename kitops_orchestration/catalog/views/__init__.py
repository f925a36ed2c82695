"""Views: what each template is given, made of the site's value.

A view picks, orders and counts; what is true of a ModelKit is in the answers that it picks from.

Used by ``catalog``: ``audit`` (audit_values, by_month, events_table, month_values); ``board`` (board_pages); ``data``
(data_list, data_values); ``model`` (model_pages, version_script, versions_table); ``people`` (people_values);
``search`` (search_script); ``shared`` (event_rows); ``version`` (version_values).
"""
