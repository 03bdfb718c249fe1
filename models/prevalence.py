"""What a probability and a verdict mean where the finding is rarer or more frequent than in the training films.

Prior-shift correction (Saerens, Latinne & Decaestecker 2002, doi:10.1162/089976602753284446): the odds are multiplied by the
ratio of the prior odds. It holds where only the share of positive films differs, and films of either class look alike.
"""

import math


def check_prevalence(prevalence: float) -> float:
    """Return a share of positive films where it is one; a ValueError otherwise."""
    if not 0 < prevalence < 1:
        raise ValueError(f"The prevalence must be a share between 0 and 1, both excluded. Received: {prevalence}")
    return prevalence


def at_prevalence(probability: float, trained: float, prevalence: float) -> float:
    """The positive probability in [0, 1], given at the prevalence `trained`, for films of another prevalence."""
    ratio = _odds(check_prevalence(prevalence)) / _odds(check_prevalence(trained))
    positive, negative = probability * ratio, 1 - probability
    return positive / (positive + negative)


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """PPV and NPV by Bayes' rule; not a number where no film would get the verdict."""
    share = check_prevalence(prevalence)
    true_positive, false_positive = sensitivity * share, (1 - specificity) * (1 - share)
    true_negative, false_negative = specificity * (1 - share), (1 - sensitivity) * share
    return _share(true_positive, false_positive), _share(true_negative, false_negative)


def _share(right: float, wrong: float) -> float:
    return right / (right + wrong) if right + wrong else math.nan


def _odds(share: float) -> float:
    return share / (1 - share)
