"""Erase a person from what is stored, and export what is stored about them."""
