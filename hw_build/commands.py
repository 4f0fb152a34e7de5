"""What the commands ``build`` and ``report`` do: run the pipeline with progress on the terminal, write the report."""

from __future__ import annotations

from rich.console import Console

from hw_build.build import BuildConfig, build_steps
from hw_build.errors import MismatchError
from hw_build.progress import BuildProgress
from hw_build.report.collect import collect_report
from hw_build.report.data import REPORT_JSON, Verification, write_report
from hw_build.steps import Pipeline, Step, StepResult


def run_pipeline(
    config: BuildConfig, title: str, *, start_from: str | None = None, stop_after: str | None = None
) -> dict[str, StepResult]:
    """Runs the steps of a build and shows each on stderr.

    A difference is written to ``report.json`` as the last rung of the ladder before the error goes on to the caller.
    """
    pipeline = Pipeline(config.out, build_steps(config))
    done: dict[str, StepResult] = {}
    running: list[Step] = []
    with BuildProgress(title, len(pipeline.steps)) as progress:

        def on_start(step: Step) -> None:
            running.append(step)
            progress.start(step.name)

        def on_done(result: StepResult) -> None:
            done[result.name] = result
            progress.done(result.name, outcome(result))

        try:
            return pipeline.run(start_from=start_from, stop_after=stop_after, on_start=on_start, on_done=on_done)
        except MismatchError as error:
            difference = Verification(
                step=running[-1].name, exact=False, against="the step before", seconds=0.0, first_difference=str(error)
            )
            write_report(config.out / REPORT_JSON, collect_report(config, done, differences=[difference]))
            raise


def outcome(result: StepResult) -> str:
    """The line of a finished step: whether it was verified, against what, and how long it took when it ran."""
    ladder = [f"exact, against {line['against']}" for line in result.facts.get("verification", [])]
    time = "unchanged" if result.cached else f"{result.seconds:.1f} s"
    return " · ".join([*ladder, time])


def run_build(config: BuildConfig, *, start_from: str | None, stop_after: str | None) -> int:
    results = run_pipeline(config, "build", start_from=start_from, stop_after=stop_after)
    write_report(config.out / REPORT_JSON, collect_report(config, results))
    Console().print(f"report: {config.out / REPORT_JSON}", highlight=False, soft_wrap=True)
    return 0
