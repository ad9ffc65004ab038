"""The learned router: which tickets went to whom."""
