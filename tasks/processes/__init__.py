"""The processes of the background: the Celery worker, the scheduler and its jobs."""
