"""What Streamlit itself says on the page, in the language of the visitor; it has no setting for that (its issue #10042)."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Final

from app.words.language import LANGUAGES, N_, _, current_language, speaking

SCRIPT: Final = Path(__file__).with_suffix(".js")

WORDS: Final = (
    N_("Upload"), N_("{size} per file"), N_("Drag and drop files here"), N_("Drag and drop a file here"), N_("Add files"),
    N_("file upload"), N_("add icon"), N_("Remove {name}"), N_("Error:"), N_("Error: {what}"), N_("Upload failed"),
    N_("Click to retry upload"), N_("Network error"), N_("Only one file is allowed."), N_("{kind} files are not allowed."),
    N_("File must be {size} or smaller."),
    N_("Increment"), N_("Decrement"), N_("Clear value"), N_("Press Enter to apply"), N_("Choose an option"), N_("No results"),
    N_("Number is outside the allowed range. Please enter a value between {least} and {most}."),
    N_("Number is above the allowed range. Please enter a value less than or equal to {most}."),
    N_("Number is below the allowed range. Please enter a value greater than or equal to {least}."),
    N_("Show/hide columns"), N_("Search"), N_("Fullscreen"), N_("Close fullscreen"), N_("Type to search"), N_("empty"),
    N_("Open"), N_("Show/hide columns: {what}"), N_("Search: {what}"), N_("Fullscreen: {what}"), N_("Close fullscreen: {what}"),
    N_("Previous Result"), N_("Next Result"), N_("Close Search"), N_("Sort ascending"), N_("Sort descending"), N_("Format"),
    N_("Statistics"), N_("Autosize"), N_("Pin column"), N_("Unpin column"), N_("Hide column"), N_("Copy column name"),
    N_("Select all"), N_("Clear selection"), N_("{count} options available."),
    N_("Choose or add an option"),
    N_("Skip to main content"), N_("Connecting"), N_("Please wait..."), N_("Connection error"), N_("Close"), N_("Stop"),
    N_("Running..."), N_("Reconnected to server."), N_("Page not found"), N_("Copied"),
    N_("Streamlit server is not responding. Are you connected to the internet?"),
    N_("Connection lost. Please wait for the app to reconnect, then try again."),
)  # fmt: skip
"""As Streamlit writes them."""


def words_script() -> str:
    """An element that exchanges them in the browser, from whatever language the page was in before."""
    language = current_language()
    return f'<span class="pl-words" hidden></span><script>{_script(language)}</script>'


@cache
def _script(language: str) -> str:
    """The script with the words of a language; all of it comes from the catalogues and from nobody else."""
    with speaking(language):
        known = {other: said for word in WORDS for other in _every(word) if other != (said := _(word))}
    exact = {word: said for word, said in known.items() if "{" not in word}
    forms = [(_pattern(word), said) for word, said in known.items() if "{" in word]
    words = json.dumps({"language": language, "words": exact, "forms": forms}, ensure_ascii=False)
    words = words.replace("<", r"\u003c")  # what looks like a tag within a script is taken out with the script
    return f"{SCRIPT.read_text(encoding='utf-8').rstrip()}({words});"


def _every(word: str) -> list[str]:
    """The word in all languages."""
    said = []
    for language in LANGUAGES:
        with speaking(language):
            said.append(_(word))
    return said


def _pattern(word: str) -> str:
    """The word as a pattern for a browser, its places as named groups; their order may differ between languages."""
    parts = re.split(r"\{(\w+)\}", word)
    return "".join(f"(?<{part}>.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
