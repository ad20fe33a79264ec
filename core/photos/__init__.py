"""Pictures of digits: the file, the sheet on it, its ruling, its pieces of ink."""
