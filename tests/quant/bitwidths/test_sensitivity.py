"""The command: every point once, however often it is broken off; table, CSV and picture; mistakes in one sentence."""

import csv
import json

import pytest
import trained
from torch import nn

import models
from quant.__main__ import main
from quant.bitwidths.sites import ACTIVATION, WEIGHT
from quant.bitwidths.subject import Subject


def command(checkpoint, out, *more):
    return ["sensitivity", "--checkpoint", str(checkpoint), "--images", "4", "--bits", "3", "--out", str(out), *more]


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("sensitivity")
    assert main(command(tiny, out)) == 0
    return out


def test_each_site_is_lowered_once_and_costs_the_difference(measured, subject):
    table = json.loads((measured / "sensitivity.json").read_text())
    assert [(point["kind"], point["name"]) for point in table["points"]] == [
        (site.kind, site.name) for site in subject.sites
    ]
    assert {site.kind for site in subject.sites} == {WEIGHT, ACTIVATION}
    own = table["own"]
    assert own["iou_pooled8"] == subject.own_scores["iou_pooled8"]
    weights = [m.weight.numel() for m in models.build("cmunext-tiny-hw").modules() if isinstance(m, nn.Conv2d)]
    assert own["weight_bits"] == 4 * sum(weights) + 4 * (weights[0] + weights[-1])  # the first and the last have 8
    with (measured / "sensitivity.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(table["points"])
    for line, point, site in zip(lines, table["points"], subject.sites, strict=True):
        assert float(line["lost_iou"]) == pytest.approx(own["iou"] - point["iou"], abs=1e-6)
        assert int(line["saved_bits"]) == (site.bits - 3) * site.codes
    assert (measured / "sensitivity.png").read_bytes().startswith(b"\x89PNG")


def test_a_broken_off_run_goes_on_and_measures_nothing_twice(measured, tiny, tmp_path, monkeypatch, capsys):
    asked = []
    measure = Subject.scores_of_site

    def counted(self, site, bits):
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append((site.key, bits))
        return measure(self, site, bits)

    monkeypatch.setattr(Subject, "scores_of_site", counted)
    assert main(command(tiny, tmp_path)) == 130
    assert "the same command continues" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "sensitivity.json").read_text())["points"]) == 5
    asked.insert(0, None)  # no second interruption
    assert main(command(tiny, tmp_path)) == 0
    assert len(asked) == len(set(asked))
    whole, resumed = (json.loads((folder / "sensitivity.json").read_text()) for folder in (measured, tmp_path))
    assert whole == resumed
    assert main(command(tiny, tmp_path)) == 0
    assert len(asked) - 1 == len(whole["points"])
    out = capsys.readouterr().out
    assert "encoder.1.0.0.fn.0  weight" in out and "…" not in out


def test_more_widths_add_to_a_table(measured, tiny, tmp_path):
    (tmp_path / "sensitivity.json").write_bytes((measured / "sensitivity.json").read_bytes())
    assert main([*command(tiny, tmp_path), "--bits", "3,2"]) == 0
    before, after = (json.loads((f / "sensitivity.json").read_text())["points"] for f in (measured, tmp_path))
    assert after[: len(before)] == before and {point["bits"] for point in after[len(before) :]} == {2}


def test_a_float_checkpoint_is_quantized_first(tmp_path):
    checkpoint = tmp_path / "float.pt"
    trained.write_checkpoint(checkpoint, "cmunext-tiny-hw", (32, 32), models.build("cmunext-tiny-hw"), None)
    assert main([*command(checkpoint, tmp_path / "out"), "--quant", "w8a8", "--bits", "7"]) == 0
    table = json.loads((tmp_path / "out" / "sensitivity.json").read_text())
    assert {site["bits"] for site in table["sites"]} == {8} and table["identity"]["quant"]["name"] == "w8a8"
    assert main(command(checkpoint, tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--bits", "9"], r"--bits must be 2 to 7, got 9"),
        (["--images", "0"], r"--images must be at least 1, got 0"),
        (["--quant", "w8a8"], r"is quantized already; leave out --quant"),
        (["--images", "3"], r"was measured with another images; give another --out, or measure it again"),
        (["--no-match-norms"], r"was measured with another match_norms"),
    ],
)
def test_mistakes_get_one_sentence(measured, tiny, more, sentence, capsys):
    assert main([*command(tiny, measured), *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and sentence in error


def test_a_file_that_is_no_table_is_refused(tiny, tmp_path, capsys):
    (tmp_path / "sensitivity.json").write_text("{")
    assert main(command(tiny, tmp_path)) == 2
    assert "is not a sensitivity table; run `python -m quant sensitivity`" in capsys.readouterr().err
