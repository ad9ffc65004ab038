"""Slack's request, form state, client and errors."""
