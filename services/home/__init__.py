"""The content of the App Home pages, and the sessions of members who have it open.

The blocks are in `bot.views.home`, the lists of tickets in `services.lists`.
"""
