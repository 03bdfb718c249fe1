"""The page on what this is for, and what it is not."""

import streamlit as st

from app.measurements import surroundings_sentence, surroundings_warning
from app.session import serving
from app.words.language import N_, _
from app.words.wording import field_sentence, gate_sentence

# Markdown, a paragraph each; what is not translated is the same in every language.
TEXT = (
    N_("## What it is for"),
    N_(
        "PneumoLens estimates from a frontal chest radiograph how probable each class of its training data is. It is made for "
        "**research and education**: to study what such models can and cannot do, and to train one on films of your own."
    ),
    N_(
        "It is **not a medical device**. It gives no diagnosis, and no decision on a patient may rest on it. A probability below "
        "rule-out does not exclude disease."
    ),
    N_("## What it knows, and what it does not"),
    N_(
        "- It has seen only films like those it was trained on ({population}). On others (adults, other hospitals, other "
        "machines, lateral views) its probabilities mean little: published models trained on this kind of data fell to chance "
        "on adult radiographs from elsewhere."
    ),
    N_("- It knows only its classes ({labels}). Every film gets a share of these, whatever else it may show."),
    "- {field} {surroundings}",
    "- {gate}",
    N_(
        "- The share of diseased films in the training data was that of a collection, not that of a clinic. Say on the Screen "
        "page what it is where your films come from: probability, PPV and NPV follow by Bayes' rule (Saerens et al. 2002), "
        "which holds where films of either class look as they did in training. Verdicts do not move with it."
    ),
    N_("- Between the operating points rule-out and rule-in it gives no label: **indeterminate, refer to a reader**."),
    N_(
        "- The interval of a probability tells how well its calibration is known (a bootstrap over patients), and not how "
        "strange the film is."
    ),
    N_("## What the heatmap is"),
    N_(
        "The heatmap shows which places of the film raised the score of the class: Grad-CAM (Selvaraju et al. 2017), on a grid "
        "as coarse as the network's last layer. It tells where the model looked, and **not where a lesion is**. It can be bright "
        "outside the lungs; that is a reason to distrust the reading."
    ),
    N_("## What happens to your films"),
    N_(
        "On the page Screen they are judged in the memory of the machine that serves it, and forgotten when you leave. Films of "
        "a batch lie on its disk until they are judged; small pictures and results of them do until you delete the batch, or it "
        "is too old. Nothing is sent to anyone else. Where whoever runs the server keeps an audit log, it holds digests and "
        "results, and no picture or name. Do not upload films of patients to a machine that you are not allowed to."
    ),
    N_("## A model of your own"),
    "```\nmake train DATA=folder NAME=mine\npython -m app --bundle mine\n```",
    N_("`folder` holds one folder of radiographs for each class. The README tells the rest."),
    N_("## Licences"),
    N_(
        "The ImageNet weights of EfficientNet-Lite0 are under the Apache License 2.0. The shipped bundle and the synthetic "
        "samples were made from *Chest X-Ray Images (Pneumonia)*, Kermany, Zhang & Goldbaum 2018 (doi:10.17632/rscbjbr9sj), "
        "CC BY 4.0: films of children of 1 to 5 years from one hospital, Guangzhou Women and Children's Medical Center."
    ),
)


def main() -> None:
    """Draw the page."""
    served = serving().now.bundle
    bundle = served.bundle
    st.title(_("About PneumoLens"), anchor=False)
    if warning := surroundings_warning(served.surroundings):
        st.error(warning, icon=":material/warning:")
    values = {
        "population": _(str(bundle.spec.data.get("population", "not stated"))),
        "labels": ", ".join(bundle.spec.labels),
        "field": field_sentence(bundle.spec.field),
        "surroundings": surroundings_sentence(served.surroundings),
        "gate": gate_sentence(bundle.spec.gate),
    }
    st.markdown(join_markdown([_(paragraph, **values) for paragraph in TEXT]), anchors=False)


def join_markdown(paragraphs: list[str]) -> str:
    """Paragraphs a line apart; what follows in a list is on the next line, so that the list stays tight."""
    pairs = zip(["", *paragraphs], paragraphs, strict=False)
    tight = [before.startswith("- ") and one.startswith("- ") for before, one in pairs]
    return "".join(("\n" if close else "\n\n") + one for close, one in zip(tight, paragraphs, strict=True))


main()
