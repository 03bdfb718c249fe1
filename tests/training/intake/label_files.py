"""Label files of 200 rows in the formats in which they are published, with their known faults, and the films they name."""

import csv
import gzip
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROWS = 200


class Published(NamedTuple):
    """A label file and the folder of its films."""

    csv: Path
    images: Path


def write_images(images: Path, names: Sequence[str]) -> None:
    """One small picture, as a file under each of these names."""
    first = images / names[0]
    for name in names:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        if name == names[0]:
            pixels = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(first, "PNG")
        elif not (images / name).exists():
            os.link(first, images / name)


def as_text(header: str, rows: Sequence[Sequence[object]], *, ends: str = "\n") -> str:
    assert len(rows) == ROWS
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=ends).writerows(rows)
    return header + ends + stream.getvalue()


def write_nih(root: Path) -> Published:
    """Two films of a patient. Byte order mark, Windows line ends, a header that ends in a comma, ages of 411 years."""
    rows: list[list[object]] = []
    for n in range(ROWS - 5):
        finding = "No Finding" if n < 80 or 170 <= n < 185 else "Effusion|Mass"
        if 80 <= n < 120:
            finding = ("Pneumonia", "Infiltration|Pneumonia")[n % 2]
        film = {170 <= n < 180: 90_000 + n, 180 <= n < 185: n - 180, 185 <= n < 190: n - 110}.get(True, n)
        finding = "Pneumonia" if 185 <= n < 190 else finding
        patient = "" if n >= 190 else film // 2
        age = ("411", "058Y", "58")[n % 3]
        name = f"{film // 2:08}_{film % 2:03}.png"
        rows.append([name, finding, 0, patient, age, "MF"[n % 2], ("PA", "AP")[n % 2], 2682, 2749, 0.143, 0.143, ""])
    rows += [["00000001_000.png", "No Finding", 0]] * 5
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"
    text = as_text(f"{header},OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],", rows, ends="\r\n")
    table = root / "Data_Entry_2017.csv"
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())
    names = list(dict.fromkeys(str(row[0]) for row in rows if str(row[0]) < "00045"))
    unlisted = [f"00040000_{n:03}.png" for n in range(3)]
    write_images(root / "nih", [f"images_00{1 + n % 2}/images/{name}" for n, name in enumerate([*names, *unlisted])])
    (root / "test_list.txt").write_text("".join(f"{name}\n" for name in [*names[:20], *names[80:90]]))
    return Published(table, root / "nih")


def write_rsna(root: Path, *, classes: bool) -> Published:
    """Several boxes of a film, films that are not there, films with and without a box."""
    boxes, kinds = [], []
    for n in range(60):
        boxes += [[f"ill-{n}", 1.0, 2.0, 3.0, 4.0, 1], [f"ill-{n}", 5.0, 6.0, 7.0, 8.0, 1]]
        kinds += [[f"ill-{n}", "Lung Opacity"]] * 2
    for n in range(60):
        boxes.append([f"well-{n}", "", "", "", "", 0])
        kinds.append([f"well-{n}", "Normal" if n < 30 else "No Lung Opacity / Not Normal"])
    for n in range(5):
        boxes += [[f"both-{n}", 1.0, 2.0, 3.0, 4.0, 1], [f"both-{n}", "", "", "", "", 0]]
        kinds += [[f"both-{n}", "Lung Opacity"], [f"both-{n}", "Normal"]]
    boxes += [[f"gone-{n}", "", "", "", "", 0] for n in range(10)]
    kinds += [[f"gone-{n}", "Normal"] for n in range(10)]
    (root / "stage_2_train_labels.csv").write_text(as_text("patientId,x,y,width,height,Target", boxes))
    if classes:
        (root / "stage_2_detailed_class_info.csv").write_text(as_text("patientId,class", kinds))
    films = dict.fromkeys(f"{name}.dcm" for name, *_ in boxes if not name.startswith("gone"))
    write_images(root / "stage_2_train_images", list(films))
    return Published(root / "stage_2_train_labels.csv", root / "stage_2_train_images")


CHEXPERT = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,"
    "Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


def write_chexpert(root: Path) -> Published:
    """A prefix before each path, laterals, uncertain findings, blank and zero ages, films that are not there."""
    findings = CHEXPERT.split(",")
    rows, names = [], []
    for n in range(ROWS):
        said: dict[str, object] = {}
        if n < 60 or 150 <= n < 170 or 175 <= n < 185 or n >= 190:
            said = {"No Finding": 1.0, "Support Devices": (1.0, "")[n % 2]}
        elif 60 <= n < 100 or 185 <= n < 190:
            said = {"Pneumonia": 1.0, "Lung Opacity": (1.0, -1.0)[n % 2], "No Finding": 0.0}
        elif 100 <= n < 120:
            said = {"Pneumonia": -1.0}
        elif 120 <= n < 150:
            said = {"Edema": 1.0, "Pneumonia": 0.0}
        said |= {"Edema": 1.0} if 175 <= n < 180 else {}
        said |= {"Pneumonia": "maybe"} if n >= 198 else {}
        view = "lateral" if 150 <= n < 170 else "frontal"
        person = f"patient{n // 2:05}" if not 195 <= n < 198 else "unknown"
        name = f"{'valid' if 180 <= n < 190 else 'train'}/{person}/study{n % 2 + 1}/view1_{view}.jpg"
        rows.append(
            [f"CheXpert-v1.0-small/{name}", ("Female", "Male", "Unknown")[n % 3], n % 4 and 60, view.title(),
             "" if view == "lateral" else "AP", *(said.get(one, "") for one in findings)]
        )  # fmt: skip
        if not 190 <= n < 195:
            names.append(name)
    (root / "train.csv").write_text(as_text(f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT}", rows))
    write_images(root / "CheXpert-v1.0-small", names)
    return Published(root / "train.csv", root / "CheXpert-v1.0-small")


def write_vindr(root: Path) -> Published:
    """One to three readers of a film, who do not always agree; names without suffix."""
    columns = ["No finding", "Bronchitis", "Brocho-pneumonia", "Other disease", "Pneumonia", "Pleuro-pneumonia"]
    rows: list[list[object]] = []

    def read(film: str, *said: str) -> None:
        rows.extend(
            [film, f"R{reader}", *(float(one == finding) for one in columns)] for reader, finding in enumerate(said)
        )

    for n in range(30):
        read(f"clear{n}", *["No finding"] * 3)
    for n in range(10):
        read(f"most{n}", "Pneumonia", "No finding", "Pneumonia")
        read(f"half{n}", "Pneumonia", "No finding")
        read(f"few{n}", "No finding", "No finding", "Pneumonia")
        read(f"gone{n}", "No finding")
    for n in range(20):
        read(f"other{n}", "Bronchitis")
    (root / "image_labels_train.csv").write_text(as_text(f"image_id,rad_ID,{','.join(columns)}", rows))
    films = dict.fromkeys(f"train/{row[0]}.dicom" for row in rows if not str(row[0]).startswith("gone"))
    write_images(root / "vindr", list(films))
    return Published(root / "image_labels_train.csv", root / "vindr")


def write_padchest(root: Path) -> Published:
    """Lists as Python writes them, blanks within quotes, reports of several lines, patients and labels of nan."""
    rows, names = [], []
    for n in range(ROWS):
        labels = ("['normal']", "[' normal']", "['normal', 'Unchanged']")[n % 3]
        labels = "['pneumonia', ' pleural effusion']" if 70 <= n < 110 else labels
        labels = ("['exclude']", "['normal', 'suboptimal study']")[n % 2] if 150 <= n < 160 else labels
        labels = ("", "nan")[n % 2] if 165 <= n < 170 else labels
        labels = "['unchanged']" if 170 <= n < 175 else labels
        labels = "['cardiomegaly', 'atypical pneumonia']" if 175 <= n < 190 else labels
        labels = "['normal'" if n >= 195 else labels
        view = "L" if 110 <= n < 140 else ("PA", "AP_horizontal", "AP")[n % 3]
        view = ("COSTAL", "UNK", "")[n % 3] if 140 <= n < 150 else view
        patient = ("", "nan")[n % 2] if 160 <= n < 165 else f"{10**35 + n // 2}"
        report = 'sin hallazgos, "normal"\nsin cambios' if n % 5 == 0 else "sin hallazgos ."
        rows.append(
            [n, f"{n}.png", n % 3, 20140915, patient, ("1943.0", "1999", "")[n % 3], "MFO"[n % 3], view, report, labels]
        )
        if not 190 <= n < 195:
            names.append(f"{n % 3}/{n}.png")
    header = ",ImageID,ImageDir,StudyDate_DICOM,PatientID,PatientBirth,PatientSex_DICOM,Projection,Report,Labels"
    table = root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
    table.write_bytes(gzip.compress(as_text(header, rows).encode()))
    write_images(root / "padchest", names)
    return Published(table, root / "padchest")
