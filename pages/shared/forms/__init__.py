"""Forms and their widgets."""
