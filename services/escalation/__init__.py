"""Take the escalation steps that are due.

Their times are computed in `services.sla`, their recipients in
`tasks.notifications.reminder_rules`.
"""
