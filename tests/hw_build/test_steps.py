"""The step engine: what is redone and when, and that nothing half-written keeps a final name."""

import fcntl
import json
import os
from pathlib import Path

import pytest

from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.step_engine import RECORD, Pipeline, Step, fresh_folder, write_atomically


class Recorder:
    """Two steps, `one` from a source file and `two` from `one`; counts the runs of each."""

    def __init__(self, tmp_path: Path) -> None:
        self.runs: list[str] = []
        self.build_dir = tmp_path / "build"
        self.source = tmp_path / "source.txt"
        self.source.write_text("first")

    def pipeline(self, **parameters) -> Pipeline:
        return Pipeline(
            self.build_dir,
            [
                Step(name="one", run=self._one, files=(self.source,)),
                Step(name="two", run=self._two, needs=("one",), parameters=parameters, published=("out",)),
            ],
        )

    def _one(self, folder, needed):
        self.runs.append("one")
        (folder / "text").write_text(self.source.read_text().strip())
        return {"length": len(self.source.read_text())}

    def _two(self, folder, needed):
        self.runs.append("two")
        text = (needed["one"] / "text").read_text().upper()
        (folder / "text").write_text(text)
        (self.build_dir / "out").write_text(text)
        return {}


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path)


def test_unchanged_steps_are_not_redone_and_keep_their_facts(recorder):
    first = recorder.pipeline().run()
    second = recorder.pipeline().run()
    assert recorder.runs == ["one", "two"]
    assert [result.cached for result in second.values()] == [True, True]
    assert first["one"].facts == second["one"].facts == {"length": 5}
    assert (recorder.build_dir / "steps/two" / "text").read_text() == "FIRST"


def test_changed_file_redoes_its_step_and_what_needs_a_changed_result(recorder):
    recorder.pipeline().run()
    recorder.source.write_text("first ")  # the result of `one` stays the same: `two` is current
    recorder.pipeline().run()
    assert recorder.runs == ["one", "two", "one"]
    recorder.source.write_text("second")
    recorder.pipeline().run()
    assert recorder.runs == ["one", "two", "one", "one", "two"]


def test_changed_parameter_redoes_its_step_only(recorder):
    recorder.pipeline(pe=1).run()
    recorder.pipeline(pe=2).run()
    assert recorder.runs == ["one", "two", "two"]


@pytest.mark.parametrize("result", ["steps/two/text", "out"])
def test_result_that_was_tampered_with_is_redone(recorder, result):
    recorder.pipeline().run()
    (recorder.build_dir / result).write_text("WRONG")
    recorder.pipeline().run()
    assert recorder.runs == ["one", "two", "two"]
    assert (recorder.build_dir / result).read_text() == "FIRST"
    (recorder.build_dir / result).unlink()
    recorder.pipeline().run()
    assert recorder.runs == ["one", "two", "two", "two"]


@pytest.mark.parametrize("record", ["", "{", "[]", '{"key": 1}', "[" * 100_000])
def test_unreadable_record_means_not_saved(recorder, record):
    recorder.pipeline().run()
    (recorder.build_dir / "steps/two" / RECORD).write_text(record)
    recorder.pipeline().run()
    assert recorder.runs == ["one", "two", "two"]


@pytest.mark.parametrize("change", [{"facts": {}}, {"facts": None}, {"seconds": "long"}, {"more": 1}])
def test_record_that_was_changed_means_not_saved(recorder, change):
    recorder.pipeline().run()
    path = recorder.build_dir / "steps/one" / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert recorder.pipeline().run()["one"].facts == {"length": 5}
    assert recorder.runs == ["one", "two", "one"]


def test_stop_after_and_start_from(recorder):
    assert list(recorder.pipeline().run(stop_after="one")) == ["one"]
    recorder.pipeline().run(start_from="two")
    recorder.pipeline().run(start_from="two")
    assert recorder.runs == ["one", "two", "two"]


def test_start_from_refuses_when_an_earlier_step_is_not_current(recorder):
    with pytest.raises(BuildError, match="step 'one' before --start-from two is not saved in .*run the build without"):
        recorder.pipeline().run(start_from="two")
    recorder.pipeline().run()
    recorder.source.write_text("second")
    with pytest.raises(BuildError, match="or what it was made from has changed"):
        recorder.pipeline().run(start_from="two")


def test_wrong_step_names(recorder):
    with pytest.raises(ConfigError, match="unknown step 'three'; the steps are: one, two"):
        recorder.pipeline().run(stop_after="three")
    with pytest.raises(ConfigError, match="--stop-after one comes before --start-from two; swap them"):
        recorder.pipeline().run(start_from="two", stop_after="one")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_step_leaves_the_old_result_and_no_partial_folder(recorder, error):
    recorder.pipeline().run()
    recorder.source.write_text("second")

    def interrupted(folder, needed):
        (folder / "text").write_text("half")
        raise error

    broken = recorder.pipeline()
    broken.steps = (Step(name="one", run=interrupted, files=(recorder.source,)), broken.steps[1])
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        broken.run()
    assert (recorder.build_dir / "steps/one/text").read_text() == "first"
    assert sorted(path.name for path in (recorder.build_dir / "steps").iterdir()) == ["one", "two"]
    recorder.pipeline().run()
    assert recorder.runs == ["one", "two", "one", "two"]


def test_directory_that_cannot_be_made(recorder):
    recorder.build_dir = recorder.source / "build"
    with pytest.raises(
        BuildError, match=r"build directory '.*' cannot be written \(Not a directory\); give another one"
    ):
        recorder.pipeline().run()


def test_directory_that_another_build_holds(recorder):
    recorder.build_dir.mkdir()
    with (recorder.build_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BuildError, match=r"another build is running in '.*'; wait for it"):
            recorder.pipeline().run()
    recorder.pipeline().run()


def test_record_names_every_result(recorder):
    recorder.pipeline().run()
    record = json.loads((recorder.build_dir / "steps/one" / RECORD).read_text())
    assert list(record["results"]) == ["text"]


def test_fresh_folder_replaces_a_whole_folder(tmp_path):
    for content in ("old", "new"):
        with fresh_folder(tmp_path / "out") as folder:
            (folder / content).touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_no_folder_or_no_file_is_not_replaced(tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("kept")
    folder.mkdir()
    with pytest.raises(BuildError, match=r"'.*file' is a file, which no folder can replace"), fresh_folder(file):
        pass
    with pytest.raises(BuildError, match=r"'.*folder' is a folder, which no file can replace"):
        write_atomically(folder, b"")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BuildError, match=r"'.*pipe' is a device or a pipe, which no file can replace"):
        write_atomically(tmp_path / "pipe", b"")
    assert file.read_text() == "kept" and len(list(tmp_path.iterdir())) == 3
