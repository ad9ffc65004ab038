"""What handlers need of Slack: requests, form state, members, the client, error responses.

Block Kit is in `bot.views`, the HTTP endpoint in `bot.web.slack_events`.
"""
