"""The domain objects."""
