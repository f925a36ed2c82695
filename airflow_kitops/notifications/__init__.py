"""Messages about ModelKits, through any notifier of Airflow::

told = KitOpsNotifier(SlackWebhookNotifier(slack_webhook_conn_id="slack", text="{{ kitops.text }}"))
KitPromoteOperator(task_id="promote", reference="wine:v1", stage="production", on_success_callback=told)
"""

from airflow_kitops.notifications.kitops import KitOpsNotifier

__all__ = ["KitOpsNotifier"]
