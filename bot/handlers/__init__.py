"""Handlers of Slack payloads: each reads the payload, calls one service and replies.

`bot.routes` says which payload each handles; blocks are built in `bot.views`.
"""
