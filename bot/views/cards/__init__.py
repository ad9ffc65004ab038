"""Cards of a ticket."""
