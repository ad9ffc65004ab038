"""The daily digest: who gets it, when, and with which figures.

Its text is in `bot.views.messages.digest`; `tasks.notifications.digest` sends it.
"""
