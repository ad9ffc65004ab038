"""Business hours and public holidays."""
