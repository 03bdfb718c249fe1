"""The page on what this is for, and what it is not."""

import streamlit as st

from app.measurements import surroundings_sentence, surroundings_warning
from app.session import serving
from app.wording import field_sentence, gate_sentence

TEXT = """
## What it is for
PneumoLens estimates from a frontal chest radiograph how probable each class of its training data is. It is made for
**research and education**: to study what such models can and cannot do, and to train one on films of your own.

It is **not a medical device**. It gives no diagnosis, and no decision on a patient may rest on it. A probability below
rule-out does not exclude disease.

## What it knows, and what it does not
- It has seen only films like those it was trained on{population}. On others (adults, other hospitals, other machines,
  lateral views) its probabilities mean little: published models trained on this kind of data fell to chance on adult
  radiographs from elsewhere.
- It knows only its classes ({labels}). Every film gets a share of these, whatever else it may show.
- {field}{surroundings}
- {gate}
- The share of diseased films in the training data was that of a collection, not that of a clinic. Say on the Screen page what
  it is where your films come from: probability, PPV and NPV follow by Bayes' rule (Saerens et al. 2002), which holds where
  films of either class look as they did in training. Verdicts do not move with it.
- Between the operating points rule-out and rule-in it gives no label: **indeterminate, refer to a reader**.
- The interval of a probability tells how well its calibration is known (a bootstrap over patients), and not how strange
  the film is.

## What the heatmap is
The heatmap shows which places of the film raised the score of the class: Grad-CAM (Selvaraju et al. 2017), on a grid as
coarse as the network's last layer. It tells where the model looked, and **not where a lesion is**. It can be bright outside the
lungs; that is a reason to distrust the reading.

## What happens to your films
On the page Screen they are judged in the memory of the machine that serves it, and forgotten when you leave. Films of a batch
lie on its disk until they are judged; small pictures and results of them do until you delete the batch, or it is too old. Nothing
is sent to anyone else. Where whoever runs the server keeps an audit log, it holds digests and results, and no picture or name.
Do not upload films of patients to a machine that you are not allowed to.

## A model of your own
```
make train DATA=folder NAME=mine
python -m app --bundle mine
```
`folder` holds one folder of radiographs for each class. The README tells the rest.

## Licences
The ImageNet weights of EfficientNet-Lite0 are under the Apache License 2.0. The shipped bundle and the synthetic samples
were made from *Chest X-Ray Images (Pneumonia)*, Kermany, Zhang & Goldbaum 2018 (doi:10.17632/rscbjbr9sj), CC BY 4.0: films
of children of 1 to 5 years from one hospital, Guangzhou Women and Children's Medical Center.
"""


def main() -> None:
    """Draw the page."""
    served = serving().now.bundle
    bundle = served.bundle
    population = bundle.spec.data.get("population")
    st.title("About PneumoLens", anchor=False)
    if warning := surroundings_warning(served.surroundings):
        st.error(warning, icon=":material/warning:")
    st.markdown(
        TEXT.format(
            population=f" ({population})" if population else "",
            labels=", ".join(bundle.spec.labels),
            field=field_sentence(bundle.spec.field),
            surroundings=f" {said}" if (said := surroundings_sentence(served.surroundings)) else "",
            gate=gate_sentence(bundle.spec.gate),
        ),
        anchors=False,
    )


main()
