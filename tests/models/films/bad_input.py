"""The table of bad input: files and places that must each end in one refusal, whatever door they come through."""

import gzip
import io
import json
import math
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.models.films import dicom_files as dicom

SIDE = 96


@dataclass(frozen=True)
class BadInput:
    """One bad input: what it is, where it was written, and the code it must be refused with."""

    name: str
    path: Path
    code: str


def bad_inputs(folder: Path) -> list[BadInput]:
    """Write every kind of bad input into `folder` (made if need be) and say what each must be refused with."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kinds in (_other_files(), _pictures(), _bombs(), _several_frames(), _dicoms(), _scenes()):
        for name, code, content in kinds:
            path = folder / name
            path.write_bytes(content)
            rows.append(BadInput(name, path, code))
    return rows + list(_places(folder))


def scene(side: int = SIDE) -> np.ndarray:
    """A smooth grey picture with a bright disc: no radiograph, but nothing that a decoder would refuse."""
    y, x = np.mgrid[:side, :side]
    waves = 90 * (np.sin(x / 9) * np.cos(y / 13) + 1)
    return np.round(waves + 60 * (np.hypot(x - side / 2, y - side / 2) < side / 3)).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of `image` saved by Pillow."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes) -> bytes:
    """A greyscale PNG whose header says what it is told to."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _grey() -> Image.Image:
    return Image.fromarray(scene())


def _flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("film.png", saved(_grey(), "PNG"))
    return stream.getvalue()


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("film.png"))
    return stream.getvalue()


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, scene())
    return stream.getvalue()


def _other_files() -> Iterator[tuple[str, str, bytes]]:
    """Files that are no picture, some of them under a picture's name."""
    yield "empty.png", "empty_file", b""
    contents = {
        "one_byte.png": b"\xff",
        "text.txt": b"Chest radiograph, PA view. No focal consolidation.\n",
        "text_named.png": b"This was never a picture.\n" * 40,
        "text_named.dcm": b"Neither was this a DICOM object.\n" * 40,
        "begins_with_BM.bmp": b"BMI and other measurements of the patients\n" * 20,
        "spaces.jpg": b" " * 4096,
        "zeros.jpg": bytes(4096),
        "report.pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
        "page.html": b"<!doctype html><html><body><img src='film.png'></body></html>",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='96' height='96'><rect/></svg>",
        "notes.json": json.dumps({"label": "NORMAL"}).encode(),
        "labels.csv": b"file,label\na.png,NORMAL\n",
        "archive.zip": _zip(),
        "archive.tar": _tar(),
        "film.png.gz": gzip.compress(saved(_grey(), "PNG")),
        "film.mp4": struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 4096, b"mdat") + bytes(4088),
        "sound.wav": b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28),
        "array.npy": _npy(),
        "object.pickle": pickle.dumps({"pixels": [1, 2, 3]}),
        "program.exe": b"MZ" + bytes(200),
        "still.gif": saved(_grey(), "GIF"),
        "film.jp2": saved(_grey(), "JPEG2000"),
        "film.ppm": saved(_grey(), "PPM"),
        "film.ico": saved(_grey(), "ICO"),
        "signature_cut.png": b"\x89PNG\r\n",
    }
    for name, content in contents.items():
        yield name, "not_an_image", content


def _pictures() -> Iterator[tuple[str, str, bytes]]:
    """Pictures of a known format that are cut short or broken."""
    jpeg, whole, tiff = (saved(_grey(), kind) for kind in ("JPEG", "PNG", "TIFF"))
    bmp, webp = saved(_grey(), "BMP"), saved(_grey(), "WEBP", lossless=True)
    for name, content in {"jpg": jpeg, "png": whole, "tiff": tiff, "bmp": bmp, "webp": webp}.items():
        yield f"cut_in_the_middle.{name}", "damaged", content[: len(content) * 2 // 3]
    yield "end_marker_missing.jpg", "damaged", jpeg[:-2]
    yield "header_only.jpg", "damaged", jpeg[: jpeg.index(b"\xff\xda")]
    yield "start_marker_only.jpg", "damaged", b"\xff\xd8\xff\xe0"
    table = jpeg.index(b"\xff\xc4")
    yield "huffman_table_broken.jpg", "damaged", jpeg[: table + 5] + b"\xff" * 16 + jpeg[table + 21 :]
    yield "no_frame_header.jpg", "damaged", jpeg.replace(b"\xff\xc0", b"\xff\xee")
    yield "twelve_bits.jpg", "damaged", jpeg.replace(b"\xff\xc0\x00\x0b\x08", b"\xff\xc0\x00\x0b\x0c")
    yield "signature_only.png", "damaged", whole[:8]
    yield "header_only.png", "damaged", whole[:33]
    yield "end_chunk_missing.png", "damaged", whole[:-12]
    yield "pixels_flipped.png", "damaged", _flip(whole, whole.index(b"IDAT") + 200)
    yield "checksum_of_header_wrong.png", "damaged", _flip(whole, 31)
    yield "checksum_of_pixels_wrong.png", "damaged", _flip(whole, len(whole) - 14)
    yield "no_width.png", "damaged", png(0, SIDE, b"\0" * SIDE)
    yield "text_after_signature.png", "damaged", whole[:8] + b"not chunks at all " * 30
    yield "directory_outside.tiff", "damaged", b"II*\0" + struct.pack("<I", 10**6)
    yield "no_entries.tiff", "damaged", b"II*\0" + struct.pack("<IHI", 8, 0, 0)
    yield "no_compression_of_this_number.tiff", "damaged", _tiff(SIDE, SIDE, compression=777)
    yield "header_only.bmp", "damaged", bmp[:40]
    yield "no_such_depth.bmp", "damaged", bmp[:28] + b"\x0d\0" + bmp[30:]
    yield "header_only.webp", "damaged", webp[:20]
    yield "noise_inside.webp", "damaged", webp[:12] + b"VP8 " + b"\x5a" * 200
    lab = Image.merge("RGB", [_grey()] * 3).convert("HSV").convert("RGB")
    yield "lab_colours.tiff", "unsupported_encoding", saved(Image.frombytes("LAB", lab.size, lab.tobytes()), "TIFF")


def _tiff(width: int, height: int, *, compression: int = 1) -> bytes:
    """A little-endian greyscale TIFF with one strip of 64 bytes, whatever its header says."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 273: 8, 277: 1, 278: height, 279: 64}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 72) + bytes(64) + struct.pack("<H", len(tags)) + entries + bytes(4)


def _bombs() -> Iterator[tuple[str, str, bytes]]:
    """Headers that ask for more than there is memory, in small files, and one file that is too long."""
    contents = {
        "bomb.png": png(60_000, 60_000, bytes(64)),
        "just_too_many_pixels.png": png(10_000, 5_001, bytes(64)),
        "bomb.tiff": _tiff(60_000, 60_000),
        "bomb.bmp": saved(_grey(), "BMP")[:18] + struct.pack("<ii", 30_000, 30_000) + saved(_grey(), "BMP")[26:],
        "bomb.webp": saved(_grey(), "WEBP", save_all=True, append_images=[_grey().rotate(90)])[:24]
        + b"\xfe\x3f\x00" * 2
        + saved(_grey(), "WEBP", save_all=True, append_images=[_grey().rotate(90)])[30:],
        "bomb.jpg": _jpeg_of_size(65_000, 65_000),
        "bomb.dcm": dicom.encode(dicom.dataset(scene(), Rows=60_000, Columns=60_000)),
        "sixty_five_megabytes.png": saved(_grey(), "PNG") + bytes(65 * 2**20),
    }
    for name, content in contents.items():
        yield name, "too_large", content


def _jpeg_of_size(width: int, height: int) -> bytes:
    jpeg = saved(_grey(), "JPEG")
    frame = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:frame] + struct.pack(">HH", height, width) + jpeg[frame + 4 :]


def _several_frames() -> Iterator[tuple[str, str, bytes]]:
    two = {"save_all": True, "append_images": [_grey().rotate(90)]}
    for name, kind in {"moving.png": "PNG", "moving.webp": "WEBP", "pages.tiff": "TIFF", "stereo.jpg": "MPO"}.items():
        yield name, "multi_frame", saved(_grey(), kind, **two)
    yield "moving.gif", "not_an_image", saved(_grey(), "GIF", **two)
    frames = dicom.dataset(np.stack([scene(), scene().T]), Rows=SIDE, Columns=SIDE, NumberOfFrames=2)
    yield "cine.dcm", "multi_frame", dicom.encode(frames)


def _dicoms() -> Iterator[tuple[str, str, bytes]]:
    """DICOM objects that hold no radiograph, or hold it broken or in an encoding that is not read."""
    whole = dicom.encode(dicom.dataset(scene()))
    yield "letters_only.dcm", "damaged", bytes(128) + b"DICM"
    yield "cut_in_the_header.dcm", "damaged", whole[: whole.index(b"MONOCHROME2") + 4]
    yield "cut_in_the_pixels.dcm", "damaged", whole[:-1000]
    yield "text_after_letters.dcm", "damaged", bytes(128) + b"DICM" + b"and then only prose. " * 20
    flood = b"".join(struct.pack("<HH2sH", 9, tag, b"LO", 0) for tag in range(20_000))
    yield "flood_of_elements.dcm", "damaged", whole[: whole.index(b"\x08\0\x16\0UI")] + flood
    nest = struct.pack("<HH2sHLHHL", 0x40, 0xA730, b"SQ", 0, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1)
    yield "nested_too_deep.dcm", "damaged", whole[: whole.index(b"\x08\0\x16\0UI")] + nest * 5000
    for name, code, changes in (
        ("no_pixel_data.dcm", "no_pixels", {"PixelData": None}),
        ("too_few_pixels.dcm", "damaged", {"PixelData": bytes(500)}),
        ("no_pixel_bytes.dcm", "damaged", {"PixelData": b""}),
        ("no_rows.dcm", "damaged", {"Rows": None}),
        ("zero_columns.dcm", "damaged", {"Columns": 0}),
        ("no_bit_depth.dcm", "damaged", {"BitsAllocated": None}),
        ("odd_bit_depth.dcm", "damaged", {"BitsAllocated": 13}),
        ("no_photometric.dcm", "damaged", {"PhotometricInterpretation": None}),
        ("unknown_colours.dcm", "unsupported_encoding", {"PhotometricInterpretation": "HSV"}),
        ("palette_without_table.dcm", "damaged", {"PhotometricInterpretation": "PALETTE COLOR"}),
        ("even_detector.dcm", "not_a_radiograph", {"PixelData": b"\x80" * SIDE * SIDE}),
        ("padding_only.dcm", "not_a_radiograph", {"PixelData": b"\x80" * SIDE * SIDE, "PixelPaddingValue": 128}),
    ):
        yield name, code, dicom.encode(dicom.dataset(scene(), **changes))
    yield "report.dcm", "no_pixels", dicom.encode(dicom.report())
    yield "DICOMDIR", "no_pixels", dicom.encode(dicom.directory())
    yield "deflated.dcm", "unsupported_encoding", dicom.deflated(dicom.dataset(scene()))
    for name, syntax in {
        "unknown_syntax.dcm": "1.2.3.4.5.6",
        "video.dcm": "1.2.840.10008.1.2.4.102",
        "high_throughput.dcm": "1.2.840.10008.1.2.4.201",
    }.items():
        yield name, "unsupported_encoding", dicom.encode(dicom.dataset(scene()), syntax=syntax)
    yield from _compressed_dicoms()


def _compressed_dicoms() -> Iterator[tuple[str, str, bytes]]:
    j2k, baseline = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"
    stream, jpeg = saved(_grey(), "JPEG2000", no_jp2=True), saved(_grey(), "JPEG")
    for name, syntax, frame in (
        ("frame_cut_short.dcm", j2k, stream[: len(stream) // 4]),
        ("frame_of_another_size.dcm", baseline, _jpeg_of_size(65_000, 65_000)),
        ("boxes_that_lead_nowhere.dcm", j2k, b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100)),
        ("frame_is_text.dcm", baseline, b"no picture in here " * 20),
        ("frame_of_another_codec.dcm", "1.2.840.10008.1.2.4.80", jpeg),
        ("rle_bomb.dcm", "1.2.840.10008.1.2.5", struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\0" * 20_000),
    ):
        yield name, "damaged", dicom.encode(dicom.dataset(scene(), frame=frame), syntax=syntax)
    whole = dicom.encode(dicom.dataset(scene(), frame=stream), syntax=j2k)
    yield "delimiter_missing.dcm", "damaged", whole[:-30]
    twelve = dicom.dataset(scene().astype(np.uint16), frame=jpeg, BitsStored=12, HighBit=11)
    yield "twelve_bit_jpeg.dcm", "unsupported_encoding", dicom.encode(twelve, syntax="1.2.840.10008.1.2.4.51")


def _scenes() -> Iterator[tuple[str, str, bytes]]:
    """Whole pictures in which there is nothing to judge."""
    yield "one_pixel.png", "too_small", saved(Image.new("L", (1, 1), 9), "PNG")
    yield "icon.png", "too_small", saved(_grey().resize((31, 31)), "PNG")
    yield "thread.png", "too_small", saved(_grey().resize((5, 4000)), "PNG")
    yield "small.dcm", "too_small", dicom.encode(dicom.dataset(scene(24)))
    for name, shade in {"black.png": 0, "grey.png": 127, "white.png": 255}.items():
        yield name, "not_a_radiograph", saved(Image.new("L", (SIDE, SIDE), shade), "PNG")
    glass = Image.merge("LA", (_grey(), Image.new("L", (SIDE, SIDE), 0)))
    yield "transparent.png", "not_a_radiograph", saved(glass, "PNG")
    nothing = np.full((SIDE, SIDE), math.nan, np.float32)
    yield "not_a_number.tiff", "not_a_radiograph", saved(Image.fromarray(nothing), "TIFF")


def _places(folder: Path) -> Iterator[BadInput]:
    """Paths that lead to no file."""
    (folder / "a_folder.png").mkdir(exist_ok=True)
    loop, dangling, pipe = folder / "loop.png", folder / "dangling.png", folder / "pipe.png"
    for link, target in ((loop, loop), (dangling, folder / "gone.png")):
        if not link.is_symlink():
            link.symlink_to(target)
    if not pipe.exists():
        os.mkfifo(pipe)
    places = {
        "a folder": folder / "a_folder.png",
        "a missing file": folder / "missing.png",
        "a file inside a file": folder / "text.txt" / "film.png",
        "a link to itself": loop,
        "a link to nothing": dangling,
        "a pipe": pipe,
        "a name too long": folder / ("x" * 5000 + ".png"),
        "a name with a null character": folder / "nul\0l.png",
    }
    for name, path in places.items():
        yield BadInput(name, path, "not_found")
