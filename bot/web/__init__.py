"""The web server of the bot: Slack events, account pages, HTTP API, health and metrics.

The entry is `flask_app.create_flask_app`; Socket Mode is in `bot.slack.socket_mode`.
"""
