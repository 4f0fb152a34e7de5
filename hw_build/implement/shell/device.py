"""What is in one FPGA, as whoever hands it on must have it: whole, unchanged, its parts made for each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from board.cascade_spec import STAGES
from hw_build.base.errors import BuildError
from hw_build.implement.shell.generate import Shell
from hw_build.implement.shell.joint import Joint, is_joint
from hw_build.implement.shell.system import SYSTEM_MODULE
from hw_build.stitch.design import TOP_MODULE, Design

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.implement.shell.around import Around


@dataclass(frozen=True)
class Device:
    """The accelerators ``designs`` and what is ``around`` them.

    ``sources``: all RTL in compile order. ``apart``: modules whose instances are mapped one by one -> their files.
    """

    build_dir: Path
    designs: tuple[Design, ...]
    around: Around
    sources: tuple[Path, ...]
    apart: dict[str, Path]

    @classmethod
    def of_build(cls, design: Design, shell: Shell) -> Device:
        """One accelerator in its shell, in the folder of its design."""
        folder = design.build_dir
        apart = {TOP_MODULE: design.rtl_dir / "top.sv", SYSTEM_MODULE: folder / shell.FOLDER / f"{SYSTEM_MODULE}.sv"}
        return cls(folder, (design,), shell, (*design.rtl_files, *shell.files(folder)), apart)

    @classmethod
    def of_joint(cls, build_dir: Path, designs: tuple[Design, ...], joint: Joint) -> Device:
        """Two accelerators in the folder ``build_dir``, each with its design in a folder below."""
        folder = build_dir / joint.FOLDER
        apart = {module: folder / name for module, name in joint.apart.items()}
        return cls(build_dir, designs, joint, tuple(joint.files(build_dir)), apart)

    def check_models(self, models: Sequence[tuple[Path, str]]) -> None:
        """BuildError unless ``models``, file and hash of exported networks, are those that were built, in order."""
        if len(models) != len(self.designs):
            takes = "one export" if len(self.designs) == 1 else "both exports, first and second"
            raise BuildError(f"'{self.build_dir}' was built from {takes}, got {len(models)}: give --export accordingly")
        for design, (model, sha256) in zip(self.designs, models, strict=True):
            design.check_model(model, sha256)

    def check_fits(self) -> None:
        """BuildError where nobody has looked whether the accelerators fit the board."""
        if isinstance(self.around, Joint) and self.around.simulation_only:
            raise BuildError(
                f"'{self.build_dir}' was joined with --simulation-only, for the simulated board alone: join builds "
                "made with --synth, without that option"
            )


def load_device(build_dir: Path) -> Device:
    """The device of ``build_dir``, every source checked by its hash.

    Raises:
        BuildError: a record is missing or of another version, a source is not the one that was written, or the shell
            was made for another accelerator.
    """
    if is_joint(build_dir):
        return _load_joint(build_dir)
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    design.check_sources()
    shell.check_sources(build_dir)
    if shell.system.network_hash != design.network_hash:
        raise BuildError(f"the shell in {build_dir} was made for another accelerator: run the shell step again")
    return Device.of_build(design, shell)


def _load_joint(build_dir: Path) -> Device:
    joint = Joint.load(build_dir)
    joint.check_sources(build_dir)
    designs: list[Design] = []
    for stage, system in zip(STAGES, joint.systems, strict=True):
        build = load_device(build_dir / stage)
        if build.around.systems[0].network_hash != system.network_hash:
            raise BuildError(f"'{build_dir / stage}' holds another accelerator than was joined: join the builds again")
        designs += build.designs
    return Device.of_joint(build_dir, tuple(designs), joint)
