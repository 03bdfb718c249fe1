"""`python -m training stress`: a bundle on films that went through worse than its own."""
