"""Data sets of volumes on disk: their cases, and their splits by patient.

| layout | how it is known | a case |
| --- | --- | --- |
| Decathlon | ``dataset.json`` with a list ``training`` of images and labels | one NIfTI file, of one or more channels |
| volumes | ``images/`` or ``imagesTr/``; ``masks/``, ``labels/`` or ``labelsTr/`` | NIfTI, or a folder of DICOM |
| stacks | ``images/ masks/`` of pictures ``<patient>_<slice>.png`` | all slices of a patient |

``<split>.txt`` lists cases (of stacks: their slices, or patients); without any list a hash of the patient decides, a
fifth being val. Patients are told by ``cases.csv`` or ``patients.csv`` (columns ``id`` and ``subject`` or ``patient``);
a case that it does not name is a patient of its own. A patient in two lists is refused, whichever is asked for.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from board.dataset import ImageFolder, read_list
from quant.base.errors import DataError, as_data_error
from quant.volumes.dicom import is_series, read_series
from quant.volumes.nifti import is_nifti, read_labels, read_nifti, stem
from quant.volumes.stacks import patient_and_slice, read_stack, read_stack_labels, require_whole
from quant.volumes.volume import Volume, require_same_grid

if TYPE_CHECKING:
    from collections.abc import Callable

_IMAGES, _LABELS = ("images", "imagesTr"), ("masks", "labels", "labelsTr")
_TABLES = ("cases.csv", "patients.csv")
_USUAL_LISTS = ("train", "val", "test")
_VALIDATION_SHARE_PERCENT = 20


@dataclass(frozen=True)
class Case:
    """One volume and its label; ``read(classes)`` gives both, on one grid."""

    name: str
    patient: str
    read: Callable[[int], tuple[Volume, Volume]]


def list_cases(data_dir: Path, split: str) -> list[Case]:
    """The cases of ``split``, in list order or by name.

    Raises:
        DataError: an unknown layout, a missing file, list or slice, a patient in two lists, or an empty split.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise DataError(f"data folder '{data_dir}' does not exist; give a folder of volumes")
    cases, names_of = _find(data_dir)
    lists = {path.stem: path for path in sorted(data_dir.glob("*.txt")) if path.stem in (*_USUAL_LISTS, split)}
    if lists:
        listed = {name: _cases_of_list(path, cases, names_of) for name, path in lists.items()}
        _require_apart(lists, listed)
        if split not in listed:
            raise DataError(f"'{data_dir / split}.txt' does not exist; splits of this folder: {', '.join(listed)}")
        chosen = listed[split]
    else:
        chosen = _by_hash(cases, split)
    if not chosen:
        raise DataError(f"split '{split}' of '{data_dir}' has no case; add ids to its list, or volumes to the folder")
    return chosen


def _find(data_dir: Path) -> tuple[dict[str, Case], dict[str, str]]:
    """All cases by name, and the case of each name that a list may hold."""
    if (data_dir / "dataset.json").is_file():
        pairs = _decathlon(data_dir)
    else:
        images = _one_of(data_dir, _IMAGES)
        labels = _one_of(data_dir, _LABELS)
        if images is None or labels is None:
            raise _unknown_layout(data_dir)
        volumes = [path for path in sorted(images.iterdir()) if is_nifti(path) or _is_series(path)]
        if not volumes:
            return _stacks(data_dir, images, labels)
        pairs = [(path, _label_of(path, labels)) for path in volumes]
    patients = _patients(data_dir)
    cases = {}
    for image, label in pairs:
        name = stem(image)
        if name in cases:
            raise DataError(f"case '{name}' is there twice in '{data_dir}'; give one of them another name")
        cases[name] = Case(name, patients.get(name, name), _reader(image, label))
    return cases, {name: name for name in cases}


def _unknown_layout(data_dir: Path) -> DataError:
    return DataError(
        f"data folder '{data_dir}' is of no known layout: give dataset.json as the Decathlon has it, or images/ and"
        " masks/ of NIfTI files, DICOM folders or pictures called <patient>_<slice>.png"
    )


def _one_of(data_dir: Path, names: tuple[str, ...]) -> Path | None:
    return next((data_dir / name for name in names if (data_dir / name).is_dir()), None)


def _decathlon(data_dir: Path) -> list[tuple[Path, Path]]:
    path = data_dir / "dataset.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))["training"]
        pairs = [(data_dir / entry["image"], data_dir / entry["label"]) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f"'{path}' is not as the Decathlon has it; it needs a list 'training' of objects with 'image' and 'label'"
        ) from None
    # the release itself holds hidden files of macOS beside the volumes
    return [pair for pair in pairs if not pair[0].name.startswith(".")]


def _is_series(path: Path) -> bool:
    """Whether ``path`` is a folder of DICOM files; DataError where they lie deeper in it."""
    if is_series(path):
        return True
    deeper = path.rglob("*") if path.is_dir() and not path.name.startswith(".") else ()
    if (below := next((folder for folder in sorted(deeper) if is_series(folder)), None)) is not None:
        raise DataError(
            f"the DICOM files of case '{path.name}' lie in '{below}'; give each case the slices of one series, in"
            f" '{path}' itself"
        )
    return False


def _label_of(image: Path, labels: Path) -> Path:
    found = [path for path in (labels / f"{stem(image)}{suffix}" for suffix in (".nii.gz", ".nii")) if path.is_file()]
    if len(found) != 1:
        what = "no label" if not found else "two labels"
        raise DataError(f"volume '{image}' has {what} '{stem(image)}.nii.gz' or .nii in '{labels}'; keep one there")
    return found[0]


def _reader(image: Path, label: Path) -> Callable[[int], tuple[Volume, Volume]]:
    def read(classes: int) -> tuple[Volume, Volume]:
        volume = read_series(image) if image.is_dir() else read_nifti(image)
        labels = read_labels(label, classes)
        require_same_grid(volume, labels)
        return volume, labels

    return read


def _stacks(data_dir: Path, images: Path, labels: Path) -> tuple[dict[str, Case], dict[str, str]]:
    with as_data_error():
        pictures, masks = ImageFolder(images), ImageFolder(labels)
    slices: dict[str, dict[int, str]] = {}
    for name in pictures.names():
        found = patient_and_slice(name)
        if found is None:
            raise DataError(
                f"picture '{name}' in '{images}' is not called <patient>_<slice>; rename it, or give volumes"
            )
        patient, number = found
        if number in slices.setdefault(patient, {}):
            raise DataError(f"'{slices[patient][number]}' and '{name}' are one slice in '{images}'; remove one")
        slices[patient][number] = name
    if not slices:
        raise _unknown_layout(data_dir)
    cases: dict[str, Case] = {}
    names_of: dict[str, str] = {}
    for patient in sorted(slices):
        numbers = sorted(slices[patient])
        names = [slices[patient][number] for number in numbers]
        cases[patient] = Case(patient, patient, _stack_reader(patient, numbers, names, pictures, masks))
        names_of |= dict.fromkeys((patient, *names), patient)
    return cases, names_of


def _stack_reader(
    patient: str, numbers: list[int], names: list[str], pictures: ImageFolder, masks: ImageFolder
) -> Callable[[int], tuple[Volume, Volume]]:
    def read(classes: int) -> tuple[Volume, Volume]:
        require_whole(patient, numbers)
        with as_data_error():
            files = [Path(pictures.find(name)) for name in names]
            of_masks = [tuple(map(Path, masks.masks_of(name))) for name in names]
        volume = read_stack(patient, files)
        return volume, read_stack_labels(patient, of_masks, volume, classes)

    return read


def _patients(data_dir: Path) -> dict[str, str]:
    """The patient of each case, as a table beside the data tells it."""
    path = next((data_dir / name for name in _TABLES if (data_dir / name).is_file()), None)
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        raise DataError(f"'{path}' is not a CSV file in UTF-8; save it again, or remove it") from None
    columns = rows[0].keys() if rows else ()
    column = next((name for name in ("subject", "patient") if name in columns), None)
    if "id" not in columns or column is None:
        return {}
    return {row["id"]: row[column] for row in rows if row["id"] and row[column]}


def _cases_of_list(path: Path, cases: dict[str, Case], names_of: dict[str, str]) -> list[Case]:
    with as_data_error():
        names = read_list(str(path))
    chosen: dict[str, Case] = {}
    listed = set(names)
    for name in names:
        known = name if name in names_of else stem(Path(name))
        if known not in names_of:
            raise DataError(f"list '{path}' names '{name}', which is not a case of the folder; correct it")
        chosen[names_of[known]] = cases[names_of[known]]
    for case in chosen.values():  # of stacks: none of a patient's slices may be left out
        slices = {name for name, owner in names_of.items() if owner == case.name and name != case.name}
        left_out = sorted(slices - listed)
        if slices and case.name not in listed and left_out:
            raise DataError(
                f"list '{path}' leaves out slice '{left_out[0]}' of patient '{case.name}'; a volume is in a split as a"
                " whole: add its slices, or name the patient alone"
            )
    return list(chosen.values())


def _require_apart(lists: dict[str, Path], listed: dict[str, list[Case]]) -> None:
    """DataError where a patient has cases in two lists: what is learned of one would be tested on the same."""
    seen: dict[str, str] = {}
    for name, cases in listed.items():
        for case in cases:
            other = seen.setdefault(case.patient, name)
            if other != name:
                raise DataError(
                    f"patient '{case.patient}' is in both '{lists[other]}' and '{lists[name]}'; splits go by patient:"
                    f" move case '{case.name}'"
                )


def _by_hash(cases: dict[str, Case], split: str) -> list[Case]:
    if split not in ("train", "val"):
        raise DataError(f"a folder without lists has splits train and val, not '{split}'")

    def is_val(case: Case) -> bool:
        return int(hashlib.sha256(case.patient.encode()).hexdigest(), 16) % 100 < _VALIDATION_SHARE_PERCENT

    return [case for _, case in sorted(cases.items()) if is_val(case) == (split == "val")]
