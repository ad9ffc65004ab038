"""The background processes: Celery tasks, the scheduled jobs, Gemini and SMTP.

The rules are in `services`; of `bot` it uses only the views.
"""
