"""Health checks, job runs, counts and failing items."""
