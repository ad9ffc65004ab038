"""Modals: the forms that open in Slack.

What a submitted form holds is read in `bot.slack.form_state` and `bot.handlers`.
"""
