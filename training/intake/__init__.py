"""Data sets as they are published: their label files made into class folders, and their downloads."""
