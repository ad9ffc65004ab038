"""The web server: Slack's events, pages, HTTP API."""
