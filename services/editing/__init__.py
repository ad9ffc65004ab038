"""Change the fields of a filed ticket, and answer edit conflicts."""
