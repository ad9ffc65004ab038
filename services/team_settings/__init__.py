"""What admins set for the team: the app's name, SLA targets, business hours, private tickets,
the triage channel and the emoji.

Environment variables are read in `services.core.settings`, the words of a Slack status in
`services.availability`.
"""
