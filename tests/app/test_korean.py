"""The pages in Korean: no English is left but names and codes."""

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.batch.places import SPOOL_VARIABLE
from app.catalogues.__main__ import read_catalogue
from app.jobs.retraining import JOBS_VARIABLE
from app.samples import sample_names
from app.server_folders import FOLDERS_VARIABLE
from app.serving.serving import served_device
from models.bundle import load_bundle
from models.films.refusal import REFUSAL_CODES
from tests.app.steps import upload

OpenApp = Callable[..., AppTest]
MakeFilm = Callable[..., bytes]

NAMES = set(
    re.findall(
        r"\S+",
        """
        PneumoLens English JPEG PNG TIFF BMP WebP DICOM CSV HTML PDF ZIP SVG GIF AVIF HEIC XL XR PNM DDS GIMP OpenEXR Photoshop
        PostScript Office NIfTI NRRD MetaImage MATLAB NumPy HDF NetCDF RAR gzip bzip Zstandard xz tar Lab VOI AUROC ROC PPV NPV
        AP PA SHA UTC rule-in rule-out shortcut MB KB GB Enter Grad-CAM Selvaraju Saerens Kermany Zhang Goldbaum He Tan Le Huang
        et al doi CVPR arXiv cell Chest X-Ray Images Pneumonia CC BY Apache License ImageNet EfficientNet-Lite ResNet-
        ResNet DenseNet- CheXNet top- CURRENT GPU MODEL CARD md bundle json README
        """,
    )
)
"""Names of products, formats, people and publications, and codes: the same in every language."""

SHOWN = ("label", "body", "placeholder", "help", "text", "alt", "caption", "options", "content")
COMMANDS = r"python -m \w+( \w+)?( FOLDER --name NAME| NAME| train --help)?|make train DATA=folder NAME=mine|--\w+"


def english(text: str, others: set[str]) -> set[str]:
    """The Latin words of a text that are no names; markup, pictures, places and what stands as code are left aside."""
    text = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|<code>.*?</code>|```.*?```|`[^`]*`", " ", text)
    text = re.sub(r"<[^>]*>|\(data:[^)]*\)|:material/\w+:|\{[^}]*\}|\S+\.(jpeg|png|dcm|txt)|\.head", " ", text)
    for other in sorted(others, key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z]){re.escape(other)}(?![A-Za-z])", " ", text)
    words = re.findall(r"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z'’-]++(?![0-9_])", unescape(re.sub(COMMANDS, " ", text)))
    return {word for word in words if word not in NAMES}


def shown(app: AppTest) -> Iterator[str]:
    """All texts of the page: of each element what it says, and of pictures what they are called."""
    assert not app.exception
    for node in app:
        proto = getattr(node, "proto", None)
        yield from _strings(proto) if proto is not None else ()
        yield from re.findall(r'(?:alt|aria-label)="([^"]*)"', getattr(proto, "body", ""))
        if node.type in ("arrow_data_frame", "arrow_table"):
            yield node.value.to_csv(index=False)


def _strings(proto: Any) -> Iterator[str]:
    for field, value in proto.ListFields():
        if field.name in SHOWN:
            for one in [value] if isinstance(value, str) else value:
                yield from [one] if isinstance(one, str) else _strings(one)


def written(value: object) -> set[str]:
    """Every text in the record of a bundle: it stands on the page as whoever trained the bundle wrote it."""
    if isinstance(value, Mapping):
        return {one for key, inner in value.items() for one in {str(key), *written(inner)}}
    if isinstance(value, list | tuple):
        return {one for inner in value for one in written(inner)}
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("page", ["screen", "batch", "retrain", "model", "about"])
def test_no_english_is_left_on_a_page(
    open_app: OpenApp, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (SPOOL_VARIABLE, JOBS_VARIABLE):
        monkeypatch.setenv(variable, str(tmp_path))
    spec = load_bundle().spec
    names = {*spec.labels, spec.name, FOLDERS_VARIABLE, served_device().summary}
    names |= written(vars(spec)["data"]) | written(spec.training) | written(spec.versions) | written(spec.metrics)
    app = open_app(language="ko-KR").switch_page(f"views/{page}.py").run()
    texts = list(shown(app))
    assert sum("가" <= character <= "힣" for character in "".join(texts)) > 200
    texts = [text for text in texts if text.strip() != load_card().strip()]
    assert not {word for text in texts for word in english(text, names)}


def load_card() -> str:
    return re.sub(r"!\[[^\]]*\]\([^)]*\)", "", (load_bundle().folder / "MODEL_CARD.md").read_text(encoding="utf-8"))


def test_readings_and_refusals_are_in_korean(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(language="ko-KR"), ("a.png", make_film(1)), ("b.png", make_film(5)), ("c.txt", b"%PDF-1.7"))
    spec = load_bundle().spec
    texts = list(shown(app))
    assert not {word for text in texts for word in english(text, {*spec.labels, *REFUSAL_CODES, "default", "openvino"})}
    page = "\n".join(texts)
    assert "이 파일은 PDF 문서이며 지원되지 않습니다." in page
    assert "PNEUMONIA 확률" in page
    assert list(app.dataframe[0].value["판정"])[2] == "거부됨"
    assert "%" in app.dataframe[0].value["p(PNEUMONIA)"][0]
    assert " %" not in "".join(app.dataframe[0].value["p(PNEUMONIA)"])


def test_another_language_keeps_the_films_and_what_was_entered(open_app: OpenApp) -> None:
    app = open_app(language="ko-KR")
    app.button(key=f"sample_{sample_names()[0]}").click().run()
    app.number_input[0].set_value(10.0).run()
    app.button_group[0].set_value("en").run()
    assert not app.exception
    assert app.number_input[0].value == 10
    assert any("films of which 10.0 % are PNEUMONIA" in caption.value for caption in app.caption)
    [result] = app.session_state["desk"].results.values()
    assert result.name == sample_names()[0]


def test_the_catalogue_holds_no_english() -> None:
    """What no page of these tests shows, every refusal among it, is seen here."""
    said = [one for message in read_catalogue("ko") if message.id for one in (message.string,)]
    texts = [text for one in said for text in ([one] if isinstance(one, str) else one)]
    assert not {word for text in texts for word in english(text, {"make", "stress"})}
    for text in texts:
        assert not re.search(r"(?:하세요|해요|이에요|예요|한다|된다)[.!]?$", text), f"not the formal style: {text}"
