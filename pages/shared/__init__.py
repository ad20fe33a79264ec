"""What the pages have in common: state, figures, pictures, text."""
