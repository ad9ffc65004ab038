"""Runs the product under load while its processes, servers and services fail, and counts losses.

`make chaos` runs it and prints a table; docs/reliability.md explains the table."""
