"""File tickets, change their state, comment on them."""
