"""Small volumes written to disk: balls in noise, as NIfTI, as a DICOM series, as a stack of pictures."""

import json

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SHAPE = (16, 18, 14)
AFFINE = np.array([[1.0, 0, 0, -8], [0, 1.5, 0, -9], [0, 0, 2.0, 3], [0, 0, 0, 1]])


def ball(seed, shape=SHAPE, classes=1):
    """(voxels int16, labels uint8): a bright ball; of three classes its upper half is brighter and class 2."""
    rng = np.random.default_rng(seed)
    centre = np.array(shape) / 2 + rng.uniform(-1.5, 1.5, 3)
    grid = np.stack(np.indices(shape), axis=-1)
    labels = (np.linalg.norm(grid - centre, axis=-1) < min(shape) / 3).astype(np.uint8)
    if classes > 2:
        labels[:, :, int(centre[2]) :] *= 2
    voxels = 100 + 300 * labels.astype(float) + rng.normal(0, 20, shape)
    return voxels.astype(np.int16), labels


def write_nifti(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def write_set(folder, names, classes=1, lists=None, affine=AFFINE, decathlon=False):
    """images/ and masks/ of one ball a name; ``lists``: {split: names}."""
    for index, name in enumerate(names):
        voxels, labels = ball(index, classes=classes)
        write_nifti(folder / "images" / f"{name}.nii.gz", voxels, affine)
        write_nifti(folder / "masks" / f"{name}.nii.gz", labels, affine)
    for split, chosen in (lists or {}).items():
        (folder / f"{split}.txt").write_text("\n".join(chosen))
    if decathlon:
        pairs = [{"image": f"./images/{name}.nii.gz", "label": f"./masks/{name}.nii.gz"} for name in names]
        (folder / "dataset.json").write_text(json.dumps({"training": pairs}))
    return folder


def write_series(folder, voxels, spacing=(0.8, 0.7, 2.5), reverse=True, series=None, skip=()):
    """Slices (X, Y, Z) of a CT, files named against the order of their positions; slope 2, intercept -1000."""
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid()
    depth = voxels.shape[2]
    for z in range(depth):
        if z in skip:
            continue
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        found = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        found.SOPClassUID, found.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        found.SeriesInstanceUID, found.Modality = series, "CT"
        found.ImagePositionPatient = [-30.0, -40.0, 100 + spacing[2] * z]
        found.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        found.PixelSpacing = [spacing[1], spacing[0]]  # between rows, between columns
        found.RescaleSlope, found.RescaleIntercept = 2, -1000
        plane = np.ascontiguousarray(voxels[:, :, z].T.astype(np.int16))  # (Y, X)
        found.Rows, found.Columns = plane.shape
        found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
        found.BitsAllocated = found.BitsStored = 16
        found.HighBit, found.PixelRepresentation = 15, 1
        found.PixelData = plane.tobytes()
        number = depth - 1 - z if reverse else z
        pydicom.dcmwrite(folder / f"IM{number:03d}.dcm", found, enforce_file_format=True)
    return folder


def write_stack(folder, patient, seed=0, depth=6, bits=8, skip=()):
    """``<patient>_<slice>.png`` from 1, with masks of 0 and 255."""
    voxels, labels = ball(seed, (20, 16, depth))
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for z in range(depth):
        if z + 1 in skip:
            continue
        name = f"{patient}_{z + 1:03d}.png"
        grey = np.clip(voxels[:, :, z].T, 0, 500)
        plane = (grey * 100).astype(np.uint16) if bits == 16 else (grey / 2).astype(np.uint8)
        Image.fromarray(plane).save(folder / "images" / name)
        Image.fromarray(labels[:, :, z].T * np.uint8(255)).save(folder / "masks" / name)
    return voxels, labels
