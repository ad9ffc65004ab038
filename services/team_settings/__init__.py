"""The app's name, SLA targets and business hours that admins set for the whole team.

Environment variables are read in `services.core.settings`, the words of a Slack status in
`services.availability`.
"""
