"""Which folders of the server may be judged."""

from pathlib import Path

import pytest

from app.batch.places import DAYS_VARIABLE, films_below, kept_days
from app.server_folders import FOLDERS_VARIABLE, FolderError, allowed_folders


@pytest.fixture
def films(server_folder: Path) -> Path:
    """Two films, a folder below, and all kinds of links."""
    outside = server_folder.parent / "secret.png"
    outside.write_bytes(b"secret")
    (server_folder / "2026").mkdir()
    for path in (server_folder / "1.png", server_folder / "2026" / "2.png", server_folder / ".hidden.png"):
        path.write_bytes(b"film")
    (server_folder / "within.png").symlink_to(server_folder / "1.png")
    (server_folder / "out.png").symlink_to(outside)
    (server_folder / "up").symlink_to(server_folder.parent)
    (server_folder / "circle").symlink_to(server_folder / "circle")
    return server_folder


def test_what_lies_below_is_found_and_links_that_lead_out_are_not(films: Path) -> None:
    found, left_out = films_below(films, "")
    assert sorted(found) == [films / "1.png", films / "1.png", films / "2026" / "2.png"]
    assert left_out == 2  # the link to a file outside, and the circle; a link to a folder is not followed at all
    assert films_below(films, "/2026/")[0] == [films / "2026" / "2.png"]


@pytest.mark.parametrize(
    ("below", "code"),
    [
        ("..", "folder_not_allowed"),
        ("2026/../..", "folder_not_allowed"),
        ("up", "folder_not_allowed"),
        ("/etc", "folder_not_found"),
        ("2027", "folder_not_found"),
        ("1.png", "folder_not_found"),
        ("circle", "folder_not_found"),
        ("a\0b", "folder_not_found"),
    ],
)
def test_nothing_else_is_judged(films: Path, below: str, code: str) -> None:
    with pytest.raises(FolderError) as refused:
        films_below(films, below)
    assert refused.value.code == code


def test_only_folders_that_were_named_may_be_judged(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FolderError, match="not among those"):
        films_below(films.parent, "films")
    (films / "2026" / "2.png").unlink()
    with pytest.raises(FolderError, match="holds no file"):
        films_below(films, "2026")
    monkeypatch.delenv(FOLDERS_VARIABLE)
    assert allowed_folders() == []


@pytest.mark.parametrize("days", ["0", "-1", "soon", "nan"])
def test_a_number_of_days_that_is_none_is_told(days: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DAYS_VARIABLE, days)
    with pytest.raises(ValueError, match=DAYS_VARIABLE):
        kept_days()
