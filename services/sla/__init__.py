"""SLA targets, due dates, queue order and escalation times.

It computes; `services.escalation` takes the steps, and admins edit the targets through
`services.team_settings`.
"""
