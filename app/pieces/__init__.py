"""Pieces of the Screen page: they draw with Streamlit, and are drawn by `app/views/screen.py`."""
