"""File tickets, change their state, comment on them.

Edits of fields are in `services.editing`, the choice of an assignee in `services.assignment`.
"""
