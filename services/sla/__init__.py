"""SLA targets, due dates, queue order and escalation times: computed here, stored by the callers.

`services.escalation` takes the steps, and admins edit the targets in `services.team_settings`.
"""
