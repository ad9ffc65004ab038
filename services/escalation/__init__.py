"""Take the escalation steps that are due."""
