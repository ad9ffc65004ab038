"""The app's name, SLA targets, business hours and private tickets, as admins set them for the team.

Environment variables are read in `services.core.settings`, the words of a Slack status in
`services.availability`.
"""
