"""The samples' file formats: JPEG, 8- and 16-bit PNG, and a MONOCHROME1 DICOM with a synthetic header."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

QUALITY = 90  # of a JPEG
RATIO = 20  # of a DICOM's pixels, uncompressed to compressed


def write_sample(path: Path, picture: np.ndarray) -> None:
    """Write a picture `(H, W)` in [0, 1] in the format that the path's suffix names."""
    if path.suffix == ".dcm":
        write_dicom(path, picture)
    elif path.suffix == ".png":
        Image.fromarray(np.rint(picture * 65535).astype(np.uint16)).save(path, optimize=True)
    else:
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(path, quality=QUALITY, optimize=True)


def write_dicom(path: Path, picture: np.ndarray) -> None:
    """Write a 12-bit MONOCHROME1 Computed Radiography image: the lowest value is white, the window is the full range."""
    header = Dataset()
    header.SOPClassUID = ComputedRadiographyImageStorage
    header.SOPInstanceUID, header.StudyInstanceUID, header.SeriesInstanceUID = (
        generate_uid(entropy_srcs=["PneumoLens", path.name, level]) for level in ("instance", "study", "series")
    )
    header.PatientName = "SYNTHETIC^MEAN OF TWELVE FILMS"
    header.PatientID = "SYNTHETIC"
    header.PatientBirthDate = header.PatientSex = header.StudyDate = header.StudyTime = ""
    header.AccessionNumber = header.StudyID = header.ReferringPhysicianName = ""
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "Synthetic image: no patient"
    header.ImageType = ["DERIVED", "SECONDARY"]
    header.ImageComments = "Synthetic. For trying software, not for diagnosis."
    header.Manufacturer = "PneumoLens"
    header.Modality = "CR"
    header.BodyPartExamined = "CHEST"
    header.ViewPosition = "AP"
    header.SeriesNumber = header.InstanceNumber = 1
    header.Rows, header.Columns = picture.shape
    header.SamplesPerPixel, header.PixelRepresentation = 1, 0
    header.PhotometricInterpretation = "MONOCHROME1"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.WindowCenter, header.WindowWidth = 2048, 4096
    header.PixelData = np.rint((1 - picture) * 4095).astype("<u2").tobytes()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)


def compress(path: Path) -> None:
    """Encode a DICOM file's pixels anew as JPEG 2000, to a twentieth of their size, and say so in its header."""
    import gdcm

    header = dcmread(path)
    header.LossyImageCompression, header.LossyImageCompressionMethod = "01", "ISO_15444_1"
    header.LossyImageCompressionRatio = RATIO
    header.save_as(path, enforce_file_format=True)
    codec = gdcm.JPEG2000Codec()
    codec.SetReversible(False)
    codec.SetRate(0, RATIO)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    done = reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEG2000))
    change.SetUserCodec(codec)
    change.SetInput(reader.GetImage())
    done = done and change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not (done and writer.Write()):
        raise OSError(f"{path.name} could not be compressed.")
