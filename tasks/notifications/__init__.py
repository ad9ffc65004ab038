"""Deliver Slack messages, reminders, digests and emails.

`notify.notify` is the entry for a changed ticket; what waits is in `services.outbox`.
"""
