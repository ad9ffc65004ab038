"""Absences, Slack status and hand-over offers."""
