"""The daily digest: who gets it, when, and with which counts.

Its text is in `bot.views.messages.digest`; `tasks.notifications.digest` sends it.
"""
