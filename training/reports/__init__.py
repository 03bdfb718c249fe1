"""What a run tells people: the card, reporting items, plots, and the pieces of a page."""
