"""NIfTI-1 files, plain or gzipped, with numpy alone: scans in, label maps on the same grid out.

A board has no nibabel, and what is needed of the format is a header of 348 bytes and one block of voxels. Voxels are
integers of 8 to 64 bits or floats, with the header's scaling; the affine is the sform, else the qform. A label map is
written under the header of its scan, so affine, spacing, units and extensions stay what they were, byte for byte.

The NIfTI-1 Data Format, Neuroimaging Informatics Technology Initiative, 2004 (nifti1.h).
"""

import gzip
import itertools
import os
import struct
import zlib

import numpy as np

from board.errors import InputError
from board.pictures import write_file

SUFFIXES = (".nii.gz", ".nii")
MOST_VOXELS = 1 << 26  # of a scan on a small board: 256 MB as float32
HEADER_BYTES = 348
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_REST_BYTES = 1 << 20  # read at once
_SPACINGS_MM = (1e-3, 1e3)
_MOST_COSINE = 1e-3  # between two axes
_DIRECTIONS = ("LR", "PA", "IS")


class Scan:
    """``voxels`` (X, Y, Z) as the file's axes are, scaled; ``affine`` (4, 4) from voxels to mm in RAS+."""

    def __init__(self, source, voxels, affine, header, swapped):
        self.source, self.voxels, self.affine = source, voxels, affine
        self._header, self._order = header, ">" if swapped else "<"

    @property
    def spacing_mm(self):
        """Distance between voxel centres along x, y and z."""
        return tuple(float(step) for step in _lengths(self.affine[:3, :3]))

    @property
    def orientation(self):
        """The directions in which x, y and z grow, such as RAS or LPS."""
        axes = self.affine[:3, :3] / _lengths(self.affine[:3, :3])
        best = max(itertools.permutations(range(3)), key=lambda p: sum(abs(axes[p[k], k]) for k in range(3)))
        return "".join(_DIRECTIONS[best[k]][int(axes[best[k], k] > 0)] for k in range(3))

    def labels_file(self, labels):
        """The bytes of a NIfTI file of labels (X, Y, Z), bool or uint8, on the grid of this scan."""
        header, order = bytearray(self._header), self._order
        struct.pack_into(order + "8h", header, 40, 3, *labels.shape, 1, 1, 1, 1)
        struct.pack_into(order + "2h", header, 70, 2, 8)  # uint8
        struct.pack_into(order + "2f", header, 112, 1.0, 0.0)  # scaling
        struct.pack_into(order + "2f", header, 124, 0.0, 0.0)  # range of display
        return bytes(header) + labels.astype(np.uint8).tobytes(order="F")


def is_nifti(path):
    """Whether a file's name says that it is NIfTI."""
    return str(path).lower().endswith(SUFFIXES)


def read_scan(path):
    """The ``Scan`` of a file of one volume and one channel.

    InputError: missing, damaged, of another kind, size or voxel type, or without an affine of right angles.
    """
    path = str(path)
    if os.path.isdir(path):
        raise InputError(f"scan '{path}' is a folder; give a NIfTI file, such as dcm2niix makes of a DICOM series")
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rb") as file:
            return _read(file, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        raise InputError(f"scan '{path}' cannot be read ({error.strerror or error}); check the path") from None


def require_labels_path(path, source):
    """InputError unless labels of the scan ``source`` may be written to ``path``: a NIfTI name, and not the scan."""
    if not is_nifti(path):
        raise InputError(f"the labels of a scan are a NIfTI file, --out is '{path}'; end it with .nii.gz or .nii")
    if os.path.realpath(str(path)) == os.path.realpath(str(source)):
        raise InputError(f"--out '{path}' is the scan itself, which the labels would replace; give another name")
    if os.path.isdir(str(path)):
        raise InputError(f"--out '{path}' is a folder; give the name of a file in it")


def write_labels(path, labels, scan):
    """Writes labels (X, Y, Z), bool or uint8, on the grid of ``scan``; InputError where that fails."""
    require_labels_path(path, scan.source)
    path = str(path)
    content = scan.labels_file(labels)
    if path.lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)  # the same bytes each time
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    write_file(path, content)


def _read(file, path):
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or header[344:348] != b"n+1\0":
        raise InputError(f"scan '{path}' is no NIfTI-1 file of header and voxels in one; convert it to .nii.gz")
    swapped = struct.unpack_from("<i", header)[0] != HEADER_BYTES
    order = ">" if swapped else "<"
    if struct.unpack_from(order + "i", header)[0] != HEADER_BYTES:
        raise _damaged(path, "its header has another length")
    dimensions, *sides = struct.unpack_from(order + "8h", header, 40)
    if dimensions < 3 or dimensions > 7 or min(sides[:3]) < 1 or any(side != 1 for side in sides[3:dimensions]):
        given = "x".join(map(str, sides[: max(1, min(dimensions, 7))]))
        raise InputError(f"scan '{path}' has {given} voxels; give one volume of one channel")
    shape = tuple(sides[:3])
    if shape[0] * shape[1] * shape[2] > MOST_VOXELS:
        raise InputError(f"scan '{path}' has more than {MOST_VOXELS} voxels; cut it to what is of interest")
    kind = _TYPES.get(struct.unpack_from(order + "h", header, 70)[0])
    if kind is None:
        raise InputError(f"scan '{path}' has voxels that are neither integers nor floats; save it as grey values")
    (offset,) = struct.unpack_from(order + "f", header, 108)
    if not HEADER_BYTES <= offset <= MOST_VOXELS:  # NaN, too
        raise _damaged(path, f"its voxels begin at byte {offset:g}")
    header += file.read(int(offset) - HEADER_BYTES)
    wanted = shape[0] * shape[1] * shape[2] * int(kind[1])
    content = file.read(wanted)
    if len(content) < wanted:
        raise _damaged(path, f"{wanted - len(content)} bytes of its voxels are missing")
    while file.read(_REST_BYTES):  # to the end, where gzip has its checksum
        pass
    voxels = np.frombuffer(content, order + kind).reshape(shape, order="F")
    return Scan(path, _scaled(voxels, header, order), _affine(header, order, path), header, swapped)


def _scaled(voxels, header, order):
    """As the header says, float32; voxels that are not scaled keep their type."""
    slope, intercept = struct.unpack_from(order + "2f", header, 112)
    if not np.isfinite(slope) or slope == 0 or (slope, intercept) == (1.0, 0.0):
        return voxels.astype(voxels.dtype.newbyteorder("="))
    return (voxels * float(slope) + float(intercept)).astype("float32")


def _affine(header, order, path):
    """Of the sform, else of the qform."""
    qform, sform = struct.unpack_from(order + "2h", header, 252)
    if sform > 0:
        rows = [struct.unpack_from(order + "4f", header, 280 + 16 * row) for row in range(3)]
        affine = np.array([*rows, (0.0, 0.0, 0.0, 1.0)], dtype="float64")
    elif qform > 0:
        affine = _of_quaternion(header, order)
    else:
        raise InputError(
            f"scan '{path}' has no affine (neither sform nor qform); write it again with the affine of its scan"
        )
    axes, lengths = affine[:3, :3], _lengths(affine[:3, :3])
    if not np.isfinite(affine).all() or min(lengths) <= _SPACINGS_MM[0] or max(lengths) >= _SPACINGS_MM[1]:
        raise InputError(f"scan '{path}' has an affine without sense; write it again with the affine of its scan")
    cosines = (axes / lengths).T @ (axes / lengths)
    if max(abs(cosines[0, 1]), abs(cosines[0, 2]), abs(cosines[1, 2])) > _MOST_COSINE:
        raise InputError(f"scan '{path}' has axes that are not at right angles; resample it to a grid of right angles")
    return affine


def _of_quaternion(header, order):
    b, c, d, *origin = (float(value) for value in struct.unpack_from(order + "6f", header, 256))
    a = max(0.0, 1.0 - b * b - c * c - d * d) ** 0.5
    rotation = np.array(
        (
            (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
            (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
            (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c),
        )
    )
    handedness, *steps = (float(value) for value in struct.unpack_from(order + "4f", header, 76))
    affine = np.zeros((4, 4))
    affine[:3, :3] = rotation * np.array((*steps[:2], -steps[2] if handedness < 0 else steps[2]))
    affine[:3, 3], affine[3, 3] = origin, 1.0
    return affine


def _lengths(axes):
    return np.sqrt((axes * axes).sum(axis=0))


def _damaged(path, error):
    return InputError(f"scan '{path}' is damaged or no NIfTI-1 ({error}); copy it again")
