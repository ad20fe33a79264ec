"""Components of our own, with their JavaScript and CSS."""
