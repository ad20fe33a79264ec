"""What the pages have in common: the session, figures, pictures, text."""
