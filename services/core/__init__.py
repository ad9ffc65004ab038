"""What knows nothing of tickets: clock, database, settings, logs, retry."""
