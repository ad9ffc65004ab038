"""The worker process, and the scheduler process with its jobs.

The Celery app, its task names and the registry of jobs are in `tasks.queue`.
"""
