"""Search for tickets: what was typed, which tickets match, and the words around a match.

The words of each ticket are written by `services.tickets.search_index`.
"""
