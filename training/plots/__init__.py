"""Pictures of numbers and of films: curves of what was judged, and contact sheets."""
