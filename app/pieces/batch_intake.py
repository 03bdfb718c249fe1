"""The intake of the Batch page: files, ZIP archives, or a folder of the server."""

import sqlite3
from collections.abc import Sequence
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.batch.intake import job_of_folder, job_of_uploads
from app.batch.job import Job
from app.batch.places import spool_folder
from app.server_folders import FOLDERS_VARIABLE, FolderError, allowed_folders
from app.session import batch_runner, user_name
from app.words.language import _
from app.words.wording import coded

_MOST_MEGABYTES: Final = 1024
"""Of one archive, and what the server takes (`.streamlit/config.toml`); a film of more than 64 MB is refused as everywhere."""

CHOSEN: Final = "batch"
"""The key of the widget that chooses a batch."""

_UPLOADERS: Final = "batch_uploader"


def offer_batch() -> None:
    """The two ways in, each with a button that begins a batch."""
    files, folder = st.tabs([_("Files or ZIP archives"), _("A folder on the server")])
    with files:
        _offer_files()
    with folder:
        _offer_folder()


def _offer_files() -> None:
    number = st.session_state.setdefault(_UPLOADERS, 0)
    uploads = st.file_uploader(
        _("Radiographs, or ZIP archives of them. They stay on this server until they are judged."),
        accept_multiple_files=True,
        key=f"{_UPLOADERS}_{number}",
        max_upload_size=_MOST_MEGABYTES,
    )
    if st.button(_("Judge these files"), key="batch_files", type="primary", disabled=not uploads):
        try:
            with st.spinner(_("The files are taken in …")):
                job = job_of_uploads(spool_folder(), user_name(), ((upload.name, upload) for upload in uploads))
        except (OSError, sqlite3.Error) as error:
            _say_unwritable(error)
            return
        _let_go(uploads)
        st.session_state[_UPLOADERS] = number + 1  # a new one, which is empty
        _begin(job)


def _let_go(uploads: Sequence[UploadedFile]) -> None:
    """Take files out of the server's memory: Streamlit keeps those of an uploader that is gone until the visitor is gone, too."""
    context = get_script_run_ctx()
    for upload in uploads if context else ():
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)


def _offer_folder() -> None:
    roots = {str(root): root for root in allowed_folders()}
    if not roots:
        offer = _(
            "Whoever runs this server can name folders that may be judged here, with {variable}.",
            variable=FOLDERS_VARIABLE,
        )
        st.caption(offer)
        return
    root = st.selectbox(_("Folder"), list(roots), key="batch_root")
    below = st.text_input(
        _("Folder below it; leave it empty for all of it"), key="batch_below", placeholder=_("2026/november")
    )
    if st.button(_("Judge this folder"), key="batch_folder", type="primary"):
        try:
            _begin(job_of_folder(spool_folder(), user_name(), roots[str(root)], below))
        except FolderError as error:
            st.error(coded(error.sentence, error.code), icon=":material/folder_off:")
        except (OSError, sqlite3.Error) as error:
            _say_unwritable(error)


def _begin(job: Job) -> None:
    batch_runner().submit(job)
    st.session_state[CHOSEN] = job.name
    st.rerun()


def _say_unwritable(error: OSError | sqlite3.Error) -> None:
    why = getattr(error, "strerror", None) or str(error)
    st.error(
        _(
            "The files cannot be kept ({why}), and none of them is. Whoever runs this server must make room, or make the folder "
            "of batches writable. Code: `spool_unwritable`",
            why=why,
        ),
        icon=":material/hard_drive:",
    )
