"""The worker process, and the scheduler process with its table of jobs.

The Celery app and its task names are in `tasks.queue`.
"""
