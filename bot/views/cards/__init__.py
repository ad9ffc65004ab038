"""Cards: the messages that show a ticket and are updated in place.

Messages that are sent once are in `bot.views.messages`.
"""
