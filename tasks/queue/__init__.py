"""The Celery app, the publishers, and the metrics of tasks.

The tasks are in `tasks.assignment` and `tasks.notifications`; `tasks.processes.worker` registers
them.
"""
