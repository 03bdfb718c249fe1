"""`python -m training digits`: the small residual network on handwritten digits."""
