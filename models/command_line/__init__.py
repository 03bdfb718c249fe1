"""What `python -m models predict` does with many files: screening, and the table of results."""
