"""The Celery app, publishing to it, and what every task run reports."""
