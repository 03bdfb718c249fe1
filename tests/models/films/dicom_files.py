"""DICOM files made for the tests: small, synthetic, each with what the test at hand is about."""

import io
import struct
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import gdcm
import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.filewriter import write_file_meta_info
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88.11"
DIRECTORY_STORAGE = "1.2.840.10008.1.3.10"


def dataset(pixels: np.ndarray, *, frame: bytes | None = None, **changes: object) -> Dataset:
    """A radiograph of these stored values; `changes` set elements by keyword, None takes one away.

    Args:
        pixels: `(H, W)` or, with SamplesPerPixel, `(H, W, 3)` integers.
        frame: a compressed frame in place of the plain pixels.
    """
    bits = pixels.dtype.itemsize * 8
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CR_STORAGE, "1.2.3.4"
    made.Modality = "CR"
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated = made.BitsStored = bits
    made.HighBit = bits - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = encapsulate([frame]) if frame is not None else pixels.tobytes()
    made["PixelData"].VR = "OB" if frame is not None or bits == 8 else "OW"
    for keyword, value in changes.items():
        if value is None:
            del made[keyword]
        else:
            setattr(made, keyword, value)
    return made


def jpeg_ls(pixels: np.ndarray, *, bits: int | None = None) -> bytes:
    """A JPEG-LS frame of stored values `(H, W)`, of all their bits or of the lowest `bits`."""
    bits = bits or pixels.dtype.itemsize * 8
    with TemporaryDirectory() as folder:
        plain, compressed = Path(folder, "plain.dcm"), Path(folder, "compressed.dcm")
        plain.write_bytes(encode(dataset(pixels, BitsStored=bits, HighBit=bits - 1)))
        transcode(plain, compressed, gdcm.TransferSyntax.JPEGLSLossless)
        return get_frame(dcmread(compressed).PixelData, 0, number_of_frames=1)


def transcode(source: Path, target: Path, syntax: int) -> None:
    """Write a DICOM file in another transfer syntax of gdcm's."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(source))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def rle(pixels: np.ndarray) -> bytes:
    """An RLE frame of bytes `(H, W)`, made of runs that repeat nothing (PS3.5, G.3)."""
    plain = pixels.tobytes()
    runs = b"".join(bytes([len(run) - 1]) + run for run in (plain[at : at + 128] for at in range(0, len(plain), 128)))
    return struct.pack("<16L", 1, 64, *[0] * 14) + runs + bytes(len(runs) % 2)


def report() -> Dataset:
    """A structured report: text, no image."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = SR_STORAGE, "1.2.3.5"
    made.Modality, made.ValueType = "SR", "CONTAINER"
    made.ContentSequence = Sequence([Dataset()])
    made.ContentSequence[0].TextValue = "No focal consolidation."
    return made


def directory() -> Dataset:
    """The table of contents of a disc, without entries."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = DIRECTORY_STORAGE, "1.2.3.6"
    made.FileSetID = "DISC"
    made.DirectoryRecordSequence = Sequence([])
    return made


def encode(content: Dataset, *, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The bytes of a DICOM file that says it is in `syntax`, whatever its pixels are."""
    if "PixelData" in content:
        content["PixelData"].is_undefined_length = (content.PixelData or b"")[:4] == b"\xfe\xff\x00\xe0"
    stream = io.BytesIO()
    stream.write(_start(content, syntax))
    body = io.BytesIO()
    little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    dcmwrite(body, content, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    return stream.getvalue() + body.getvalue()


def deflated(content: Dataset) -> bytes:
    """A DICOM file in the deflated transfer syntax."""
    body = io.BytesIO()
    dcmwrite(body, content, implicit_vr=False, little_endian=True, enforce_file_format=False)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return _start(content, "1.2.840.10008.1.2.1.99") + packer.compress(body.getvalue()) + packer.flush()


def _start(content: Dataset, syntax: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = content.SOPClassUID
    meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = "1.2.3"
    stream = io.BytesIO()
    stream.write(bytes(128) + b"DICM")
    write_file_meta_info(stream, meta, enforce_standard=True)
    return stream.getvalue()
