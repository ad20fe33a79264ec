"""Command lines that measure detectors; each module's first lines say how it is called."""
