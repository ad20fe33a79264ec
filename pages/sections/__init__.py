"""The parts of the long pages, named after the page and the part."""
