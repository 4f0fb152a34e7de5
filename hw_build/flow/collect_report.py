"""Collects a ``Report`` from the facts that the steps of a build returned."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hw_build.base.records import as_record
from hw_build.flow.accelerator_steps import STITCH
from hw_build.flow.graph_steps import FOLDING, BuildConfig, images
from hw_build.folding.account import Account
from hw_build.report.data import Image, Node, Report, Totals, Verification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXPORT = "export"


def collect_report(
    config: BuildConfig,
    facts: Mapping[str, Mapping[str, Any]],
    *,
    image: Image | None = None,
    differences: Sequence[Verification] = (),
) -> Report:
    """The report of a build from ``facts`` (step name -> facts, in order) of the steps that ran."""
    ladder = _export_rung(config.export.manifest)
    ladder += [Verification(**line) for of_step in facts.values() for line in of_step.get("verification", [])]
    totals = {key: value for of_step in facts.values() for key, value in of_step.get("totals", {}).items()}
    nodes = facts[FOLDING]["nodes"] if FOLDING in facts else []
    measured = [of_step["nodes"] for name, of_step in facts.items() if name != FOLDING and "nodes" in of_step]
    return Report(
        board=config.board.name,
        part=config.board.part,
        budget=asdict(config.board.resources),
        model=config.export.manifest["model"],
        totals=Totals.measured(**totals),
        verification=[*ladder, *differences],
        nodes=[_node(node, measured) for node in nodes],
        image=image,
        folding=account_of(facts),
        design=facts[STITCH]["design"] if STITCH in facts else None,
    )


def account_of(facts: Mapping[str, Mapping[str, Any]]) -> Account | None:
    """The optimiser's account of the folding in the facts of a build; None if it chose none."""
    found = facts.get(FOLDING, {}).get("folding")
    return None if found is None else as_record(Account, found)


def _export_rung(manifest: Mapping[str, Any]) -> list[Verification]:
    """The exporter's own comparison, as the manifest records it."""
    checked = manifest.get("verification")
    if checked is None:
        return []
    other, count = checked.get("against", "Brevitas"), images(len(checked["images"]))
    against = f"{other}, {checked['logits_compared']} logits of {count}"
    return [Verification(step=EXPORT, exact=True, against=against, seconds=None)]


def _node(static: Mapping[str, Any], measured: Sequence[Mapping[str, Any]]) -> Node:
    known = dict(static)
    for of_step in measured:
        known |= of_step.get(static["name"], {})
    return Node(**known)
