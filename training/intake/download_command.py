"""The command `python -m training download`."""

import argparse
from pathlib import Path
from typing import Final

from rich.console import Console

from models.system.progress import progress_bar
from training.intake.download_kaggle import DIGESTS_TABLE, FILMS, fetch_kaggle
from training.intake.download_medmnist import SIZES, fetch_medmnist, find_source
from training.intake.write_folder import require_new

_DOWNLOAD: Final = """\
Fetch a published data set, and check what came. Nothing half-fetched stays.

    python -m training download kaggle --to chest_xray
    python -m training download medmnist --to pneumoniamnist --size 224

kaggle: 5,856 films of children (1.2 GB; Kermany et al. 2018, CC BY 4.0) by Kaggle's client, which checks the transfer. Nobody
publishes a digest of the archive: the number of films of each class is checked, and digests.csv holds their SHA-256; compare
its own digest, which is shown, with that of another machine. Needs requirements-download.lock.

medmnist: the same films as squares of 64, 128 or 224 pixels (PneumoniaMNIST, CC BY 4.0), checked against the published MD5.
Their names are gone, and with them the patients: films of one patient may stand on both sides of a split."""


def add_download(parser: argparse.ArgumentParser) -> None:
    """The options of `download`."""
    parser.description = _DOWNLOAD
    parser.set_defaults(command=_download, stopped="stopped; nothing was kept")
    parser.add_argument("what", choices=("kaggle", "medmnist"), help="the data set")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the folder to be made")
    parser.add_argument("--size", type=int, choices=SIZES, help="of medmnist: pixels of a side (default: 224)")
    parser.add_argument("--file", type=Path, metavar="NPZ", help="of medmnist: the published file, fetched elsewhere")


def _download(options: argparse.Namespace) -> int:
    require_new(options.to)
    console = Console()
    if options.what == "kaggle":
        if options.size or options.file:
            raise ValueError("--size and --file are for medmnist. Received: kaggle.")
        with progress_bar(console, "Checking") as advance:
            sha256 = fetch_kaggle(options.to, progress=advance)
        said = f"{sum(FILMS.values()):,} films. SHA-256 of {DIGESTS_TABLE}: {sha256}"
    else:
        source = find_source(options.size or SIZES[-1])
        with progress_bar(console, "Fetching and unpacking") as advance:
            count = fetch_medmnist(source, options.to, file=options.file, progress=advance)
        said = f"{count:,} films, from the published file (MD5 {source.md5}); patients are not known"
    console.print(f"{options.to}: {said}.", markup=False, soft_wrap=True)
    console.print(f"Train on it: python -m training train {options.to} --name NAME", markup=False, soft_wrap=True)
    return 0
