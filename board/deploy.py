"""The deploy folder: which files stand beside each other, and the golden frames in it."""

import os
import zipfile
import zlib

import numpy as np

from board.cascade_spec import STAGES
from board.errors import InputError
from board.io_spec import read_io_spec

BITFILE, IO_SPEC, GOLDEN = "edgeseg.bit", "io_spec.json", "golden.npz"


class Deploy:
    """A deploy folder: the given one, else the current folder if it is one, else that of this package."""

    def __init__(self, folder=None):
        beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        candidates = [folder] if folder else [os.getcwd(), beside]
        found = [path for path in candidates if os.path.isfile(os.path.join(path, IO_SPEC))]
        if not found:
            raise InputError(
                f"no {IO_SPEC} in {' or '.join(repr(path) for path in candidates)}; go to the unpacked deploy folder, "
                "or name it with --deploy"
            )
        self.folder = found[0]

    def path(self, name):
        """Path of a file in the folder."""
        return os.path.join(self.folder, name)

    def bitfile(self):
        """(path of the bitstream, number of the folder's accelerator in it).

        It is in the folder; or, of ``first/`` or ``second/`` of a cascade, in the folder above for both.
        """
        own, name = self.path(BITFILE), os.path.basename(os.path.abspath(self.folder))
        both = os.path.join(os.path.dirname(os.path.abspath(self.folder)), BITFILE)
        if name in STAGES and not os.path.isfile(own) and os.path.isfile(both):
            return both, STAGES.index(name)
        return own, 0

    def spec(self):
        """The ``board.io_spec.IoSpec`` of the folder."""
        return read_io_spec(self.path(IO_SPEC))

    def golden(self, count=None):
        """(codes (N, H, W, C) uint8, logits (N, H, W, classes) int32) of ``count`` golden frames, or of all."""
        return self._of_golden(lambda archive: (archive["codes"][:count], archive["logits"][:count]))

    def model_sha256(self):
        """Hex digest of the exported network's file, as the golden frames have it."""
        return self._of_golden(lambda archive: str(archive["model_sha256"]))

    def _of_golden(self, read):
        path = self.path(GOLDEN)
        try:
            with np.load(path, allow_pickle=False) as archive:
                return read(archive)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"golden file '{path}' is missing or corrupt ({error}); copy it again") from None
