"""Take the escalation steps that are due.

When each step is due is in `services.sla`; who is told of it is in
`tasks.notifications.reminders`.
"""
