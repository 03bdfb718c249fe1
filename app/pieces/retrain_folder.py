"""On the Retrain page: which films, what is in them, and how they are to be trained on."""

import re
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from app.jobs.folders import offered_folders
from app.jobs.retraining import BACKBONES, LOCKED_SHARE, Plan, inspect_archive, inspect_folder, picture, train
from app.server_folders import FOLDERS_VARIABLE, FolderError
from app.words.language import N_, _, listed, ngettext, number, percentage
from models.bundle import check_bundle_name, list_bundles
from models.jobs.store import Job, JobStore
from models.system.archive import ArchiveError

# What training says of where patients come from, where it is the same each time.
SOURCES: Final = (N_("unknown: each file is treated as a patient"),)

_MOST_MB: Final = 512  # an upload is held in memory; more belongs into a folder


def ask_folder(store: JobStore, *, by: str) -> None:
    """A folder of the server or an archive; looking at it begins with a click."""
    offered = offered_folders()
    if offered:
        named = st.selectbox(
            _("Folder on the server, with a folder for each class in it"),
            offered,
            accept_new_options=True,
            key="retrain_folder",
        )
        if st.button(_("Look at this folder"), key="look_folder", type="primary") and named:
            try:
                inspect_folder(store, named, by=by)
            except FolderError as error:
                st.error(_(error.sentence))
            else:
                st.rerun()
    else:
        st.caption(
            _(
                "Folders of the server are offered here once {variable} names those that may be read.",
                variable=FOLDERS_VARIABLE,
            )
        )
    archive = st.file_uploader(
        _("Or a ZIP archive of class folders"), key="retrain_archive", type=["zip"], max_upload_size=_MOST_MB
    )
    if archive is not None and st.button(_("Look at this archive"), key="look_archive"):
        try:
            inspect_archive(store, archive, by=by)
        except ArchiveError as error:
            st.error(_(error.sentence))
        else:
            st.rerun()


def show_inspection(job: Job, inspection: Any) -> None:
    """What a folder holds: classes, patients, what is locked away, leaks, and some films."""
    st.subheader(_("What is in {folder}", folder=_folder(job)), anchor=False)
    st.table([_class_row(label, counts) for label, counts in inspection["classes"].items()], hide_index=True)
    st.caption(_("Patients: {source}.", source=_(inspection["patient_source"])))
    if inspection["own_test_split"]:
        st.caption(_("The folder has a test split: its patients are locked away, and bundles are compared on them."))
    else:
        st.caption(
            _(
                "{share} of the patients are locked away, chosen by their names alone, at least two of each class: the new "
                "bundle never learns from them, and is compared on them with the one that serves.",
                share=percentage(LOCKED_SHARE, 0),
            )
        )
    if leaks := leaks_sentence(inspection["leaks"]):
        st.warning(
            _(
                "Films that stand for several patients, or on both sides of a split: {found}. Take them out of the folder, or "
                "have their patients put together below.",
                found=leaks,
            ),
            icon=":material/warning:",
        )
    if aside := len(inspection["set_aside"]) + len(inspection["left_out"]):
        st.caption(_("Files and folders that cannot be used: {count}.", count=number(aside)))
    if sheet := picture(job, "samples.png"):
        st.image(sheet, alt=_("Some films of each class"), width="stretch")


def ask_plan(store: JobStore, job: Job, inspection: Any, *, by: str) -> None:
    """Options with usual values, and the button that starts the training."""
    leaks = bool(leaks_sentence(inspection["leaks"]))
    with st.form("plan"):
        name = st.text_input(_("Name of the new bundle"), value=_free_name())
        population = st.text_input(_("Whom the films show, for the card"), placeholder=_("adults, one hospital, 2024"))
        merge = st.checkbox(_("Put patients together who share a film"), value=leaks)
        with st.expander(_("More options")):
            backbone = st.selectbox(_("Backbone"), BACKBONES)
            field = st.selectbox(_("What of a film is judged"), ["lungs", "film"], format_func=_field_name)
            views = st.number_input(_("Augmented views of each film"), 0, 8, 2)
            search = st.checkbox(_("Try some ten heads and take the best, in place of the usual one"), value=True)
            seed = st.number_input(_("Seed"), 0, 2**31 - 1, 2015)
        if not st.form_submit_button(_("Start training"), type="primary"):
            return
    try:
        check_bundle_name(name)
    except ValueError as error:
        st.error(str(error))
        return
    if name in list_bundles():
        st.error(_("A bundle of this name is there already. Choose another name."))
        return
    stated = population.strip() or Plan.population
    train(
        store,
        Plan(job.settings["folder"], name, str(backbone), str(field), int(views), search, merge, int(seed), stated),
        by=by,
    )
    st.rerun()


def leaks_sentence(found: Mapping[str, int]) -> str:
    """What stands for several patients, or on both sides of a split, counted; empty where there is nothing."""
    counted = (
        ngettext("{count} exact duplicate", "{count} exact duplicates", found["exact"]),
        ngettext("{count} near-duplicate", "{count} near-duplicates", found["near"]),
        ngettext("{count} patient on both sides", "{count} patients on both sides", found["patients"]),
        ngettext("{count} film under two labels", "{count} films under two labels", found["label_conflicts"]),
    )
    numbers = (found[key] for key in ("exact", "near", "patients", "label_conflicts"))
    return listed([said for said, count in zip(counted, numbers, strict=True) if count])


def _folder(job: Job) -> str:
    return _("the uploaded archive") if job.settings.get("uploaded") else str(job.settings["folder"])


def _field_name(field: str) -> str:
    return _("the lungs, as they are found") if field == "lungs" else _("the whole film")


def _class_row(label: str, counts: dict[str, int]) -> dict[str, str]:
    return {
        _("Class"): label,
        _("Films"): number(counts["images"]),
        _("Patients"): number(counts["patients"]),
        _("Locked away, films"): number(counts["locked_images"]),
        _("Locked away, patients"): number(counts["locked_patients"]),
    }


def _free_name() -> str:
    """mine, mine2, …: the first that no bundle has."""
    taken = [int(found[1] or 1) for one in list_bundles() if (found := re.fullmatch(r"mine(\d*)", one))]
    return f"mine{max(taken) + 1}" if taken else "mine"
