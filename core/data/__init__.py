"""Data sets, the one-class split, and their download."""
