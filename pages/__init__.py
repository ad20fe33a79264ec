"""The app's pages: one file each, named for what a person does there."""
