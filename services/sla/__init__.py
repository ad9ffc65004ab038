"""SLA policy, targets, due dates and escalation times."""
