"""Pieces of HTML, and the style."""
