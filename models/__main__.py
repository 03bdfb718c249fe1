"""Use a bundle from the command line: predict, verify, promote, export.

    python -m models predict data_samples
    python -m models predict film.dcm --heatmaps out --csv out.csv
    python -m models predict films --prevalence 0.1                 probabilities where one film in ten is positive
    python -m models predict films --by-patient highest             films of one patient together, too
    python -m models predict films --operating-point balanced       plain verdicts, none of them indeterminate
    python -m models predict s3://bucket/films --cluster HOST:6379 --results out    on a Ray cluster
    python -m models verify default
    python -m models list
    python -m models promote mine --reason "trained on our films"   the current bundle from now on
    python -m models rollback                                       to the one before
    python -m models history                                        which was the current one from when to when
    python -m models diff default mine
    python -m models export default --format onnx --to default.onnx
    python -m models doctor                                         what computes here, and whether it computes right

Research and education only: never a diagnosis.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from models.backbones.table import BACKBONES, get_backbone
from models.backbones.weights import WeightsError
from models.bundle import BundleError, load_bundle
from models.cluster.connection import Cluster
from models.command_line.by_patient import RULES
from models.command_line.cluster_options import add_cores
from models.command_line.require_gpu import add_require_gpu
from models.devices.device import DeviceError
from models.devices.doctor import examine_device, require_gpu
from models.engines.converted import convert_backbone
from models.engines.load import ENGINES, engine_device
from models.export import SUFFIXES
from models.prediction import POINT_NAMES
from models.predictor import backbone_weights
from models.prevalence import check_prevalence
from models.registry.command import add_registry_commands
from models.registry.history import RegistryError
from models.system.quiet import import_keras_quietly
from models.system.sentence import CodedError

OK, NO_DEVICE, WRONG_USAGE, SOME_REFUSED = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0; 1 where a device does not compute, 2 on wrong usage or a broken bundle, 3 where
    some inputs were refused."""
    options = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (BundleError, RegistryError, WeightsError, ValueError, OSError) as error:
        code = f" [{error.code}]" if isinstance(error, CodedError) else ""
        print(f"error{code}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_DEVICE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_predict(commands.add_parser("predict", help="judge radiographs: a table, a CSV file, heatmaps"))

    verify = commands.add_parser("verify", help="check every file of a bundle against its digest")
    verify.add_argument("name", metavar="NAME", nargs="?", help="default: the current bundle")
    verify.set_defaults(command=_verify)

    export = commands.add_parser("export", help="write the whole network for another program")
    export.add_argument("name", metavar="NAME")
    export.add_argument("--format", required=True, choices=SUFFIXES, help="the format, by its usual name")
    export.add_argument("--to", required=True, type=Path, metavar="PATH", help="a file with the format's usual suffix")
    export.set_defaults(command=_export)

    convert = commands.add_parser("convert", help="ready a backbone for openvino; predict, train and app do it unasked")
    convert.add_argument("backbone", choices=list(BACKBONES), metavar="BACKBONE")
    convert.add_argument("weights", type=Path, metavar="WEIGHTS", help="its weight file")
    convert.add_argument("folder", type=Path, metavar="DIR", help="a folder to be made")
    convert.add_argument("--taps", nargs="*", metavar="LAYER", help="the layers whose maps are laid over each other")
    convert.set_defaults(command=_convert)

    add_registry_commands(commands)

    doctor = commands.add_parser("doctor", help="say which device computes here, check it, and say why no GPU does")
    add_require_gpu(doctor)
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a file, or a folder taken with all below it; with --cluster also a URI",
    )
    predict.add_argument("--bundle", metavar="NAME", help="the bundle that judges (default: the current one)")
    predict.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the backbone: keras (a GPU, where there is one) or openvino (faster on a processor); default: auto",
    )
    add_require_gpu(predict)
    predict.add_argument("--csv", metavar="FILE", help="write the results as CSV; - for standard output")
    predict.add_argument("--heatmaps", type=Path, metavar="DIR", help="write each film with its heatmap as PNG")
    predict.add_argument(
        "--operating-point",
        choices=POINT_NAMES,
        help="take plain verdicts at this point (default: indeterminate between rule_out and rule_in)",
    )
    predict.add_argument(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="share of positive films where the films come from, such as 0.1: probabilities, PPV and NPV are for it, "
        "verdicts stay (default: that of the training films)",
    )
    predict.add_argument(
        "--upright",
        action="store_true",
        help="turn films back that are found turned, invert those that are found inverted, and judge them so",
    )
    predict.add_argument(
        "--by-patient",
        choices=RULES,
        help="judge the films of one patient together, too: highest, the film with the highest probability speaks for the "
        "patient; mean, the mean of the probabilities does, at the same operating points. Films that were refused or withheld "
        "do not count. Films are of one patient where DICOM files state the same study (or patient, where no study), or file "
        "names are the published ones of one patient; promises of operating points are for single films (default: off)",
    )
    predict.add_argument(
        "--patient-regex",
        metavar="REGEX",
        help=r"for --by-patient: its first group, searched in the file name, is the patient, as in '^(\d+)_'",
    )
    _add_cluster(predict)
    predict.set_defaults(command=_predict)


def _add_cluster(predict: argparse.ArgumentParser) -> None:
    cluster = predict.add_argument_group("on a cluster", "See docs/scale.md.")
    cluster.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let the machines of a Ray cluster judge: HOST:PORT of its head, auto, or local; PATHs are read where they work, "
        "and may be URIs such as s3://bucket/films",
    )
    cluster.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="for --cluster: Parquet files of results; the same command goes on there",
    )
    add_cores(cluster)


def _predict_on_cluster(options: argparse.Namespace) -> int:
    from models.command_line.cluster_scoring import predict_on_cluster

    if options.results is None or options.heatmaps or options.by_patient or options.csv == "-":
        raise ValueError(
            "--cluster needs --results DIR, and neither draws --heatmaps, nor judges --by-patient, nor prints --csv -"
        )
    refused = predict_on_cluster(
        load_bundle(options.bundle),
        options.paths,
        Cluster(options.cluster, options.cores),
        options.results,
        csv=Path(options.csv) if options.csv else None,
        engine=options.engine,
        upright=options.upright,
        operating_point=options.operating_point,
        prevalence=options.prevalence,
    )
    return SOME_REFUSED if refused else OK


def _predict(options: argparse.Namespace) -> int:
    from models.command_line.screening import predict_paths

    if options.patient_regex is not None and options.by_patient is None:
        raise ValueError("--patient-regex is for --by-patient. Received: one without the other.")
    if options.prevalence is not None:
        check_prevalence(options.prevalence)
    if options.cluster is not None:
        return _predict_on_cluster(options)
    if options.results is not None:
        raise ValueError("--results is for --cluster. Received: one without the other.")
    bundle = load_bundle(options.bundle)
    if options.require_gpu:
        require_gpu(engine_device(options.engine, backbone_weights(bundle)))
    refused = predict_paths(
        bundle,
        [Path(path) for path in options.paths],
        engine=options.engine,
        csv=options.csv,
        heatmaps=options.heatmaps,
        operating_point=options.operating_point,
        prevalence=options.prevalence,
        upright=options.upright,
        by_patient=options.by_patient,
        patient_regex=options.patient_regex,
    )
    return SOME_REFUSED if refused else OK


def _verify(options: argparse.Namespace) -> int:
    bundle = load_bundle(options.name)
    print(f"{bundle.spec.name}: whole. SHA-256 of bundle.json: {bundle.sha256}")
    return OK


def _export(options: argparse.Namespace) -> int:
    from models.export import export_bundle

    bundle = load_bundle(options.name)
    import_keras_quietly()
    with Console(stderr=True).status(f"Exporting {bundle.spec.name} as {options.format} …"):
        path = export_bundle(bundle, options.format, options.to)
    print(f"{path}: images uint8 (n, height, width, 1) in, probabilities of {', '.join(bundle.spec.labels)} out")
    return OK


def _convert(options: argparse.Namespace) -> int:
    import_keras_quietly()
    backbone = get_backbone(options.backbone)
    if options.taps is not None:
        backbone = replace(backbone, taps=tuple(options.taps))
    convert_backbone(backbone, options.weights, options.folder)
    return OK


def _doctor(options: argparse.Namespace) -> int:
    report = examine_device()
    print(json.dumps(asdict(report)) if options.json else report)
    if options.require_gpu:
        require_gpu(report)
    return OK


if __name__ == "__main__":
    sys.exit(main())
