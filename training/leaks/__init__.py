"""Films and patients on both sides of a split: found, shown, and a run stopped for them."""
