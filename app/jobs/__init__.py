"""Retraining from the page: jobs that outlive it, what they found, and which bundle serves afterwards."""
