"""``python -m quant search``: finds a bit width for each layer under a budget of memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.cli.subject_options import add_subject_options, subject_of

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("search", help="find a bit width for each layer under a budget of memory; no training")
    add_subject_options(parser)
    parser.add_argument("--budget-kbit", type=float, required=True, help="weights and activations on chip, 1000 bits")
    parser.add_argument("--sensitivity", type=Path, metavar="DIR", help="its --out (default: measured into --out)")
    parser.add_argument("--trials", type=int, default=60, help="measured trials of the whole study (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--storage", help="Optuna storage: sqlite:///FILE, another URL, or a journal file; shareable")
    parser.add_argument("--study", default="bitwidths", help="name of the study in the storage (default bitwidths)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.bitwidths.outcome import QUANT_FILE, show_outcome, write_outcome
    from quant.bitwidths.search import SearchConfig, search
    from quant.bitwidths.sensitivity import costs_of, measure_sensitivity, require_bits

    config = SearchConfig(
        budget_kbit=arguments.budget_kbit,
        trials=arguments.trials,
        seed=arguments.seed,
        storage=arguments.storage,
        study=arguments.study,
    )
    require_bits(arguments.bits)
    subject = subject_of(arguments)
    table = measure_sensitivity(subject, arguments.bits, arguments.sensitivity or arguments.out)
    costs = costs_of(table, arguments.bits)
    result = search(subject, costs, config, arguments.out)
    write_outcome(result, subject.quant, subject.sites, config.budget_kbit, arguments.out)
    show_outcome(result)
    print(f"{arguments.out / QUANT_FILE}: for `python -m quant train --quant`; {result.trials} trials measured")
