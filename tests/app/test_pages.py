"""The pages, run without a browser."""

import json
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from app.samples import read_sample, sample_names
from app.screening import MAX_FILES
from app.words.wording import HEATMAP_CAPTION, NOTICE, SHORTCUT_CAPTION, percent, verdict_sentence
from models.bundle import BundleSpec, load_bundle
from models.gate import GateThresholds
from models.prediction import Prediction
from tests.app.steps import html, pictures, upload

OpenApp = Callable[[], AppTest]
MakeFilm = Callable[..., bytes]
MakeBundle = Callable[..., BundleSpec]


def test_the_first_look_shows_the_task_the_population_and_the_notice(open_app: OpenApp) -> None:
    app = open_app()
    assert not app.exception
    assert app.title[0].value == "Screen chest radiographs"
    assert str(load_bundle().spec.data["population"]) in app.caption[0].value
    assert NOTICE in html(app)
    assert not app.dataframe


def test_a_likely_shortcut_is_said_before_any_film_is_judged(open_app: OpenApp) -> None:
    report = json.loads((load_bundle().folder / "report.json").read_text(encoding="utf-8"))
    likely = [one["finding"] for one in report["robustness"]["shortcuts"] if one["likely"]]
    app = open_app()
    assert (SHORTCUT_CAPTION in [caption.value for caption in app.caption]) == bool(likely)
    app = app.switch_page("views/model.py").run()
    assert not app.exception
    assert len(app.error) == len(likely)
    for shown, finding in zip(app.error, likely, strict=True):
        assert finding in shown.value


def test_without_a_stress_test_nothing_is_said_of_shortcuts(open_app: OpenApp, make_bundle: MakeBundle) -> None:
    make_bundle()
    for page in ("views/screen.py", "views/model.py"):
        app = open_app().switch_page(page).run()
        assert not app.exception
        assert not app.error
        assert SHORTCUT_CAPTION not in [caption.value for caption in app.caption]


def test_a_film_gets_a_probability_a_verdict_and_a_heatmap(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("film.png", make_film()))
    assert not app.exception
    [result] = app.session_state["desk"].results.values()
    assert isinstance(result.outcome, Prediction)
    page = html(app)
    assert percent(result.outcome.probability("PNEUMONIA")).replace("<", "&lt;").replace(">", "&gt;") in page
    assert verdict_sentence(result.outcome) in page
    assert "Indeterminate from" in page
    assert "times the usual; a verdict up to" in page
    assert page.count('alt="Synthetic film ') == 3
    assert "300 × " in page
    assert len(pictures(app)) == 1
    assert any(caption.value.startswith(HEATMAP_CAPTION) for caption in app.caption)


def test_one_bad_file_leaves_the_others_intact(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("a.png", make_film(1)), ("notes.txt", b"words"), ("b", make_film(5)))
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["File"]) == ["a.png", "notes.txt", "b"]
    assert list(table["Code"]) == ["", "not_an_image", ""]
    assert list(table["Verdict"])[1] == "Refused"
    assert "Use JPEG, PNG, TIFF, BMP, WebP or DICOM." in html(app)
    assert len(pictures(app)) == 2


def test_the_slider_draws_again_and_judges_nothing(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("film.png", make_film()))
    [before] = app.session_state["desk"].results.values()
    [picture] = pictures(app)
    app.slider[0].set_value(90).run()
    [after] = app.session_state["desk"].results.values()
    assert after.outcome is before.outcome
    assert pictures(app) != [picture]
    app.slider[0].set_value(40).run()
    assert pictures(app) == [picture]


def test_films_that_come_later_join_those_that_are_there(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("a.png", make_film(1)))
    [first] = app.session_state["desk"].results.values()
    app.button(key=f"sample_{sample_names()[0]}").click().run()
    results = list(app.session_state["desk"].results.values())
    assert [result.name for result in results] == ["a.png", sample_names()[0]]
    assert results[0].outcome is first.outcome


def test_a_film_that_comes_again_is_not_judged_again(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("a.png", make_film(1)))
    [first] = app.session_state["desk"].results.values()
    app = upload(app, ("copy.png", make_film(1)))
    [again] = app.session_state["desk"].results.values()
    assert again.name == "copy.png"
    assert again.outcome is first.outcome


def test_a_sample_is_one_click_away(open_app: OpenApp) -> None:
    name = next(name for name in sample_names() if name.endswith(".dcm"))
    app = open_app()
    app.button(key=f"sample_{name}").click().run()
    assert not app.exception
    [result] = app.session_state["desk"].results.values()
    assert isinstance(result.outcome, Prediction)
    assert result.name == name
    assert result.film.format == "DICOM"


def test_a_prevalence_moves_probabilities_and_no_verdict(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("a.png", make_film(1)), ("b.png", make_film(5)))
    before = app.dataframe[0].value
    assert "as in the training films" in "".join(caption.value for caption in app.caption)
    outcomes = [result.outcome for result in app.session_state["desk"].results.values()]
    app.number_input[0].set_value(1.0).run()
    assert not app.exception
    after = app.dataframe[0].value
    assert list(after["Verdict"]) == list(before["Verdict"])
    assert list(after["p(PNEUMONIA)"]) == [
        percent(one.at_prevalence(0.01).probability("PNEUMONIA")) for one in outcomes
    ]
    assert "films of which 1.0 % are PNEUMONIA (by prior-shift correction" in "".join(c.value for c in app.caption)
    assert [result.outcome for result in app.session_state["desk"].results.values()] == outcomes


def test_a_sample_is_never_its_own_likeness(open_app: OpenApp) -> None:
    name = sample_names()[0]
    app = open_app()
    app.button(key=f"sample_{name}").click().run()
    assert f'alt="Synthetic film {name}"' not in html(app)
    assert html(app).count('alt="Synthetic film ') == 3


def test_results_are_there_after_a_look_at_another_page(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("film.png", make_film()))
    app.switch_page("views/model.py").run()
    app.switch_page("views/screen.py").run()
    assert len(pictures(app)) == 1


def test_clear_all_clears_all(open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("a.png", make_film(1)), ("b.png", make_film(5)))
    next(button for button in app.button if button.label == "Clear all").click().run()
    assert not app.exception
    assert not pictures(app)
    assert not app.file_uploader[0].value


def test_many_films_are_shown_page_by_page(open_app: OpenApp) -> None:
    app = upload(open_app(), *((f"{number}.txt", str(number).encode()) for number in range(8)))
    assert "5.txt" in html(app)
    assert "6.txt" not in html(app)
    next(button for button in app.button if button.label == "Next").click().run()
    assert "7.txt" in html(app)
    assert len(app.dataframe[0].value) == 8


def test_more_files_than_the_page_holds_are_left_out_with_a_word(open_app: OpenApp) -> None:
    app = upload(open_app(), *((f"{number}.txt", str(number).encode()) for number in range(MAX_FILES + 3)))
    assert len(app.session_state["desk"].results) == MAX_FILES
    assert "3 more files were not judged" in app.warning[0].value


def test_three_classes_have_a_bar_each_and_no_operating_point(
    make_bundle: MakeBundle, open_app: OpenApp, make_film: MakeFilm
) -> None:
    spec = make_bundle()
    app = upload(open_app(), ("film.png", make_film()))
    assert not app.exception
    page = html(app)
    assert page.count('class="pl-class') == len(spec.labels)
    assert "Likeliest of 3 classes" in page
    assert "Indeterminate from" not in page
    assert not app.number_input
    app.switch_page("views/model.py").run()
    assert not app.exception
    assert "not assessable" in app.table[0].value.to_string()


def test_a_film_unlike_the_training_films_gets_no_verdict(
    make_bundle: MakeBundle, open_app: OpenApp, make_film: MakeFilm
) -> None:
    make_bundle(GateThresholds(unlike=1e-9, not_a_radiograph=1e9, false_alarms=(0.05, 0.04, 0.06)))
    app = upload(open_app(), ("a.png", make_film(0)), ("b.png", make_film(1)))
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Verdict"]) == ["None", "None"]
    assert list(table["Code"]) == ["unlike_training_data"] * 2
    assert "No verdict: this film is unlike those that the model was trained on" in html(app)
    assert "Likeliest" not in html(app)
    assert len(pictures(app)) == 2
    app.switch_page("views/model.py").run()
    assert any("5.0 % (95 % interval 4.0 % to 6.0 %)" in markdown.value for markdown in app.markdown)


def test_a_picture_that_is_no_radiograph_is_refused(
    make_bundle: MakeBundle, open_app: OpenApp, make_film: MakeFilm
) -> None:
    make_bundle(GateThresholds(unlike=1e-9, not_a_radiograph=1e-8, false_alarms=(0.05, 0.04, 0.06)))
    app = upload(open_app(), ("holiday.png", make_film()))
    assert not app.exception
    assert "not_a_radiograph" in html(app)
    assert not pictures(app)


def test_the_model_page_shows_points_metrics_and_make(open_app: OpenApp) -> None:
    spec = load_bundle().spec
    app = open_app().switch_page("views/model.py").run()
    assert not app.exception
    points = app.table[0].value
    metrics = next(table.value for table in app.table if "Metric" in table.value)
    assert len(points) == len(spec.operating_points) == 3
    auroc = spec.metrics["out_of_fold"]["auroc"]
    assert metrics.loc[metrics["Metric"] == "AUROC", "Value (95 % interval)"].item().startswith(f"{auroc['value']:.3f}")
    assert f"{auroc['n']:,}" in metrics.loc[metrics["Metric"] == "AUROC", "Images"].item()
    assert spec.versions["keras"] in html(app)
    assert NOTICE in html(app)
    assert pictures(app)
    assert "# Model card" in "\n".join(markdown.value for markdown in app.markdown)
    assert "](" not in "\n".join(markdown.value for markdown in app.markdown if ".png" in markdown.value)


def test_the_about_page_says_what_this_is_not(open_app: OpenApp) -> None:
    app = open_app().switch_page("views/about.py").run()
    assert not app.exception
    text = "\n".join(markdown.value for markdown in app.markdown)
    assert "not a medical device" in text
    assert str(load_bundle().spec.data["population"]) in text
    assert "not where a lesion is" in text.replace("*", "")
    assert "make train" in text
    assert "CC BY 4.0" in text


def test_every_sample_gets_the_verdict_of_its_name(open_app: OpenApp) -> None:
    names = sample_names()
    app = upload(open_app(), *((name, read_sample(name)) for name in names))
    assert not app.exception
    assert list(app.dataframe[0].value["Verdict"]) == [name.split("_")[0].upper() for name in names]
