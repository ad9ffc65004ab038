"""Pure functions from domain objects to Block Kit: cards, modals, messages, Home pages.

Nothing here calls Slack or the database; `tasks` uses this package too.
"""
