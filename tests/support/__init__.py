"""Stand-ins and helpers."""
