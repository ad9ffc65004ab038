"""The analysis of a ticket: the prompt, the parsed answer, the urgency rules, the stored result.

The call to Gemini is in `tasks.gemini`, the analysis without Gemini in `services.routing`.
"""
