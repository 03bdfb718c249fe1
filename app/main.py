"""The table of pages. Start it with `python -m app`."""

import sys
from pathlib import Path

# Streamlit puts only this folder on the path; the rooms lie beside it.
ROOT = str(Path(__file__).absolute().parents[1])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402

from app import drawing  # noqa: E402
from app.session import require_bundle  # noqa: E402
from app.visitor import ask_to_sign_in, needs_words, offer_languages, offer_sign_out, settle_language  # noqa: E402
from app.words.language import _  # noqa: E402
from app.words.streamlit_words import words_script  # noqa: E402

HERE = Path(__file__).parent

st.set_page_config(page_title="PneumoLens", page_icon=str(HERE / "icon.svg"), layout="wide")
settle_language()
st.html(HERE / "style.css")
st.html(drawing.drop_zone_words())
st.html(drawing.notice())
if needs_words():
    st.html(words_script(), unsafe_allow_javascript=True)
ask_to_sign_in()
require_bundle()

pages = [
    st.Page("views/screen.py", title=_("Screen"), default=True),
    st.Page("views/batch.py", title=_("Batch"), url_path="batch"),
    st.Page("views/retrain.py", title=_("Retrain"), url_path="retrain"),
    st.Page("views/model.py", title=_("Model"), url_path="model"),
    st.Page("views/about.py", title=_("About"), url_path="about"),
]
page = st.navigation(pages, position="hidden")
with st.container(horizontal=True, vertical_alignment="center", key="navigation"):
    st.html(drawing.brand((HERE / "icon.svg").read_text(encoding="utf-8")), width="content")
    for one in pages:
        st.page_link(one, width="content")
    st.space("stretch")
    offer_languages()
    offer_sign_out()
page.run()
