"""`python -m training evaluate`: a bundle on films from elsewhere."""
