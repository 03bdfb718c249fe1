"""What the page says, a catalogue (gettext .po) for each language; `python -m app.catalogues` brings them up to date."""
