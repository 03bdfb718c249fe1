"""Every kind of bad input ends in one refusal with the right code."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

from models.films.radiograph import MAX_BYTES, read_radiograph
from models.films.refusal import RefusedError
from tests.fuzz.reading import growth_in_child
from tests.models.films.bad_input import BadInput, bad_inputs, saved, scene

# A machine path, an exception's name, a library's name: nothing of this is for the person who supplied a file
MACHINE_WORDS = re.compile(r"/\w|\\|[a-z]Error|Exception|Traceback|0x|\bNone\b|pydicom|gdcm|Pillow|<")

with TemporaryDirectory() as _folder:
    NAMES = [row.name for row in bad_inputs(Path(_folder))]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BadInput]:
    return {row.name: row for row in bad_inputs(tmp_path_factory.mktemp("bad"))}


def test_the_table_has_at_least_fifty_kinds() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 50


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_refused(
    name: str, table: dict[str, BadInput], capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    row = table[name]
    with pytest.raises(RefusedError) as refused:
        read_radiograph(row.path)
    assert refused.value.refusal.code == row.code
    sentence = refused.value.refusal.sentence
    assert len(sentence) > 20
    assert sentence.endswith(".")
    assert not MACHINE_WORDS.search(sentence)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_bytes_are_refused_like_files(table: dict[str, BadInput]) -> None:
    for row in table.values():
        if row.code != "not_found":
            with pytest.raises(RefusedError) as refused:
                read_radiograph(row.path.read_bytes())
            assert refused.value.refusal.code == row.code, row.name


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as stream:
        stream.truncate(2**40)  # a terabyte that takes no room: reading it would end the test run
    with pytest.raises(RefusedError) as refused:
        read_radiograph(path)
    assert refused.value.refusal.code == "too_large"


def test_the_longest_file_that_is_read() -> None:
    picture = saved(Image.fromarray(scene()), "BMP")
    assert read_radiograph(picture.ljust(MAX_BYTES, b"\0")).format == "BMP"


BOMBS = [name for name in NAMES if "bomb" in name or name == "frame_of_another_size.dcm"]


def test_bombs_take_little_memory(table: dict[str, BadInput], capfd: pytest.CaptureFixture[str]) -> None:
    growth, codes = growth_in_child([table[name].path for name in BOMBS])
    assert "" not in codes
    assert growth < 100
    assert capfd.readouterr() == ("", "")
