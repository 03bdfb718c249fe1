"""Every kind of bad input ends in one refusal with the right code, and random damage in nothing worse."""

import random
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from models.films.radiograph import MAX_BYTES, read_radiograph
from models.films.refusal import RefusedError
from tests.models.films import dicom_files as dicom
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


def test_bombs_take_little_memory(table: dict[str, BadInput]) -> None:
    pytest.importorskip("resource", reason="the peak of memory is only known on Unix")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import models.films.dicom\n"
        "from models.films.radiograph import read_radiograph\n"
        "from models.films.refusal import RefusedError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        read_radiograph(Path(path))\n"
        "    except RefusedError:\n"
        "        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    paths = [str(table[name].path) for name in BOMBS]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert int(done.stdout) < 100 * 2 ** (20 if sys.platform == "darwin" else 10)  # kilobytes, on macOS bytes


def _seeds() -> dict[str, bytes]:
    grey = Image.fromarray(scene(64))
    coloured = Image.merge("RGB", (grey, grey.transpose(Image.Transpose.ROTATE_90), grey))
    deep = Image.fromarray(scene(64).astype(np.uint16) * 257)
    stream = saved(grey, "JPEG2000", no_jp2=True)
    plain = dicom.dataset(scene(64).astype(np.uint16), WindowCenter=100, WindowWidth=180)
    return {
        "jpeg": saved(coloured, "JPEG"),
        "png": saved(coloured.quantize(16), "PNG", transparency=3),
        "png16": saved(deep, "PNG"),
        "tiff": saved(coloured, "TIFF", compression="tiff_lzw"),
        "tiff_fax": saved(grey.convert("1"), "TIFF", compression="group4"),
        "bmp": saved(coloured, "BMP"),
        "webp": saved(grey, "WEBP"),
        "dicom": dicom.encode(plain),
        "dicom_j2k": dicom.encode(dicom.dataset(scene(64), frame=stream), syntax="1.2.840.10008.1.2.4.90"),
        "dicom_jpeg": dicom.encode(
            dicom.dataset(scene(64), frame=saved(grey, "JPEG")), syntax="1.2.840.10008.1.2.4.50"
        ),
    }


def _damage(content: bytes, dice: random.Random) -> bytes:
    """Cut, flip bits, remove, repeat or overwrite; more often near the start, where the headers are."""
    broken = bytearray(content)
    near = min(len(broken), dice.choice((200, 800, len(broken))))
    place, length = dice.randrange(near), dice.choice((1, 2, 4, 64))
    kind = dice.randrange(5)
    if kind == 0:
        del broken[dice.randrange(len(broken)) :]
    elif kind == 1:
        for _ in range(length):
            broken[dice.randrange(near)] ^= 1 << dice.randrange(8)
    elif kind == 2:
        del broken[place : place + length]
    elif kind == 3:
        source = dice.randrange(len(broken))
        broken[place:place] = broken[source : source + length]
    else:
        broken[place : place + 4] = dice.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"))
    return bytes(broken)


@pytest.mark.parametrize("kind", list(_seeds()))
def test_random_damage_is_read_or_refused(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    whole, dice = _seeds()[kind], random.Random(kind)  # noqa: S311 - dice for damage, not for secrets
    refused = 0
    for _ in range(60):
        try:
            read_radiograph(_damage(whole, dice))
        except RefusedError:
            refused += 1
    assert refused > 5  # the dice do break something
    assert capfd.readouterr() == ("", "")
