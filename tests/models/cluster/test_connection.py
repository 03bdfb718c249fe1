"""A cluster that is not there, or cannot be used, is refused with what to do."""

import sys

import pytest

from models.__main__ import main
from models.cluster.connection import Cluster, ClusterError, connected

PREDICT = ("predict", "data_samples", "--cluster", "127.0.0.1:9", "--results", "out")


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install -r requirements-cluster\.txt"), connected(Cluster("auto")):
        pass


def test_an_address_at_which_nothing_answers_is_named_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(ClusterError, match="ray start --head"), connected(Cluster("127.0.0.1:9")):
        pass


def test_a_worker_has_a_core_at_least() -> None:
    with pytest.raises(ClusterError, match="1 or more"):
        Cluster("auto", cores=0)


@pytest.mark.parametrize(
    "wrong",
    [
        ("predict", "data_samples", "--cluster", "auto"),
        ("predict", "data_samples", "--results", "out"),
        (*PREDICT, "--heatmaps", "out"),
        (*PREDICT, "--by-patient", "mean"),
        (*PREDICT, "--csv", "-"),
    ],
)
def test_options_that_do_not_go_together_are_refused_first(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(wrong)) == 2
    assert "--results" in capsys.readouterr().err
