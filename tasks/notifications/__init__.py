"""Messages and emails."""
