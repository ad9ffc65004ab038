"""Queries, filters and pages of ticket lists.

A single ticket is loaded by `services.tickets.queries`; the blocks are in `bot.views.home`.
"""
