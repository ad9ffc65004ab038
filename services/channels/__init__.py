"""Request channels: the channels of Slack in which messages become tickets, and whether the bot can
work there.

What a message in one says is read in `bot`.
"""
