"""Everything about the help desk that is true without Slack, Celery, Flask or Gemini.

`bot` and `tasks` call it; its packages form floors, and each imports only from floors below
(pyproject.toml).
"""
