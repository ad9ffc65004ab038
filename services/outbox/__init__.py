"""What is still to be delivered: ticket messages, reminders, emails."""
