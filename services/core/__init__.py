"""What knows nothing of tickets: clock, database, settings, errors, leases, logs, metrics, retry,
rate limits.

It imports no other package of the project.
"""
