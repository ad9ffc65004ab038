"""The analysis of a ticket: prompt, answer, stored result."""
