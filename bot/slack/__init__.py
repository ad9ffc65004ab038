"""Slack as the handlers use it: requests, form state, the client, members, error responses.

Block Kit is in `bot.views`, the HTTP endpoint in `bot.web.slack_events`.
"""
