"""Change the fields and the participants of a filed ticket, and detect edit conflicts.

Actions such as Accept and Resolve are in `services.tickets.actions`.
"""
