"""The bundle that this server serves: held with its model, exchanged when another is promoted, and promoted from the page."""
