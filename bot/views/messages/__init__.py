"""Messages that are sent once, such as questions, reminders, the digest and the help text.

Messages that are kept up to date are in `bot.views.cards`.
"""
