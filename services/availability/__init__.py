"""Working hours of a person, absences, Slack status and hand-over offers.

The calendar arithmetic is in `services.calendar`, the calls to Slack are in
`tasks.slack_status_sync`.
"""
