"""Languages and texts."""
