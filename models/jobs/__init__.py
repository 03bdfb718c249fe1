"""A long job: its state, which outlives whoever began it, and the lock that keeps a second one out."""
