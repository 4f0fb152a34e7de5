"""What is around accelerators in an FPGA, as a record beside its sources: what software and tools must know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from hw_build.base.errors import BuildError
from hw_build.base.records import load_record, record
from hw_build.base.step_engine import hash_file

if TYPE_CHECKING:
    from hw_build.implement.shell.system import System


@record
class Around(ABC):
    """``sources``: name of a file in the folder of the record -> its SHA-256, in compile order."""

    FOLDER: ClassVar[str]  # of a build directory
    RECORD: ClassVar[str]
    WRITTEN_BY: ClassVar[tuple[str, str]]  # what writes it, and what a user does to have it written again

    top: str
    family: str
    part: str
    fabric_mhz: float
    window_bytes: int
    sources: dict[str, str]

    @property
    @abstractmethod
    def systems(self) -> tuple[System, ...]:
        """Of each accelerator, in the order of memory ports and interrupts."""

    def files(self, build_dir: Path) -> list[Path]:
        """Sources in compile order, after the accelerator's own."""
        return [Path(build_dir) / self.FOLDER / name for name in self.sources]

    def check_sources(self, build_dir: Path) -> None:
        """BuildError unless every source is the one that was written: all users have the same."""
        writer, remedy = self.WRITTEN_BY
        for path, sha256 in zip(self.files(build_dir), self.sources.values(), strict=True):
            if not path.is_file() or hash_file(path) != sha256:
                raise BuildError(f"{path} is not the file that {writer} wrote: {remedy} again")

    @classmethod
    def load(cls, build_dir: Path) -> Self:
        """Read the record of ``build_dir``; BuildError when it is missing or not of this version."""
        path, (_, remedy) = Path(build_dir) / cls.FOLDER / cls.RECORD, cls.WRITTEN_BY
        try:
            return load_record(cls, path)
        except OSError as error:
            raise BuildError(f"{path} cannot be read ({error.strerror}): {remedy} first") from None
        except ValueError as error:
            raise BuildError(f"{path} is not a {cls.FOLDER} of this version ({error}): {remedy} again") from None
