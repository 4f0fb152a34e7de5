"""A netlist that is not whole is refused by cell and pin; an input may hang only where its cell does not look at it."""

import copy
import itertools

import pytest

from hw_build.base.errors import BuildError
from hw_build.implement.netlist.rules import check_netlist
from hw_build.implement.synth.yosys import SynthesisError
from tests.hw_build.netlist.designs import cell, library, lut, module
from tests.hw_build.netlist.proofs import prove_equal


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Declarations of all cells."""
    return library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def netlist():
    """A module of two LUTs and a register between ports; every input has its one driver."""
    pins = {"C": [2], "CE": ["1"], "D": [5], "R": ["0"]}
    inside = {"first": lut("1000", [3, 4], 5), "q": cell("FDRE", pins, {"Q": [6]}), "last": lut("0110", [6, 3], 7)}
    return module({"clk": [2], "a": [3, 4]}, {"y": [7]}, inside)


def refuse(cells, netlist, sentence):
    with pytest.raises(BuildError, match=rf"^the netlist of top is not whole: {sentence}$"):
        check_netlist({**cells, "top": netlist}, "top")


def test_whole_netlist_is_taken(cells, netlist):
    check_netlist({**cells, "top": netlist}, "top")
    del netlist["cells"]["last"]["connections"]["O"]  # an output may hang
    check_netlist({**cells, "top": netlist}, "top")


def pins_of(inside, name, **pins):
    """Connect ``pins`` of the cell ``name``; one that it does not have is an output, as Yosys says."""
    inside[name]["connections"].update(pins)
    for pin in pins:
        inside[name]["port_directions"].setdefault(pin, "output")


BROKEN = {
    "LUT2 'last': nothing is connected to its input I0": lambda inside: pins_of(inside, "last", I0=[]),
    "LUT2 'last': nothing is connected to its input I1": lambda inside: inside["last"]["connections"].pop("I1"),
    "LUT2 'last': nobody drives all bits of its input I0": lambda inside: inside.pop("q"),
    "LUT2 'first': nobody drives all bits of its input I1": lambda inside: pins_of(inside, "first", I1=["x"]),
    "FDRE 'q': nobody drives all bits of its input CE": lambda inside: pins_of(inside, "q", CE=["z"]),
    "LUT2 'first': 2 cells drive a wire at its pin O": lambda inside: inside.update(second=lut("01", [4], 5)),
    "LUT2 'first': 2 cells drive a wire at its pin I1": lambda inside: pins_of(inside, "q", Q=[4]),
    "LUT2 'first': 2 wires at pin I0 of 1 bits": lambda inside: pins_of(inside, "first", I0=[3, 4]),
    "LUT2 'last': it has no pin I2": lambda inside: pins_of(inside, "last", I2=["0"]),
    "LUT9 'big': no such cell is known": lambda inside: inside.update(
        big={"type": "LUT9", "parameters": {}, "connections": {"I0": [3], "O": [9]}}  # Yosys then gives no directions
    ),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_broken_netlist_is_refused_by_cell_and_pin(cells, netlist, sentence):
    BROKEN[sentence](netlist["cells"])
    refuse(cells, netlist, sentence)


def with_one(cells, kind, parameters, pins=()):
    """A module of one cell "it" of ``kind``: inputs are constant zero, outputs go to ports; ``pins`` override."""
    free = iter(range(2, 10_000))
    inputs, outputs = {}, {}
    for name, pin in cells[kind]["ports"].items():
        if pin["direction"] == "input":
            inputs[name] = ["0"] * len(pin["bits"])
        elif pin["direction"] == "output":
            outputs[name] = [next(free) for _ in pin["bits"]]
    inputs |= dict(pins)
    whole = module({"wire": [1]}, dict(outputs), {"it": cell(kind, inputs, outputs, **parameters)})
    check_netlist({**cells, "top": whole}, "top")
    return whole


def may_hang(cells, whole, pin):
    """Whether ``pin`` of the cell of ``whole`` may be open, unknown and without a driver; the sentence if not."""
    kind, found = whole["cells"]["it"]["type"], []
    width = len(cells[kind]["ports"][pin]["bits"])
    for bits in ([], ["x"] * width, [9_999] * width):
        loose = copy.deepcopy(whole)
        loose["cells"]["it"]["connections"][pin] = bits
        try:
            check_netlist({**cells, "top": loose}, "top")
            found.append(True)
        except BuildError as error:
            fault = "nobody drives all bits of" if bits else "nothing is connected to"
            assert str(error) == f"the netlist of top is not whole: {kind} 'it': {fault} its input {pin}"
            found.append(False)
    assert len(set(found)) == 1
    return found[0]


REGISTERS = ("A", "B", "C", "D", "AD", "M", "P", "INMODE", "OPMODE", "ALUMODE", "CARRYIN", "CARRYINSEL")
NO_REGISTERS = {f"{name}REG": "0" for name in REGISTERS}
WIRE = [1]
# pins of a DSP48E1, what makes it look at them, and what is just not enough for it; "..": these pins have this value
LOOKED_AT = [
    (("CEA2", "RSTA"), {"AREG": "1"}, {}),
    (("CEA1",), {"AREG": "10"}, {"AREG": "1"}),
    (("CEA1",), {"AREG": "1", "..": {"INMODE": [*WIRE, "0", "0", "0", "0"]}}, {"..": {"INMODE": WIRE * 5}}),
    (("CEA1",), {"AREG": "1", "..": {"INMODE": list("10000")}}, {"AREG": "1", "..": {"INMODE": list("01111")}}),
    (("CEA1",), {"AREG": "1", "IS_INMODE_INVERTED": "00001"}, {"AREG": "1", "IS_INMODE_INVERTED": "00000"}),
    (("CEB2", "RSTB"), {"BREG": "1"}, {}),
    (("CEB1",), {"BREG": "10"}, {"BREG": "1"}),
    (("CEB1",), {"BREG": "1", "..": {"INMODE": list("00001")}}, {"BREG": "1", "..": {"INMODE": list("11110")}}),
    (("CEC", "RSTC"), {"CREG": "1"}, {}),
    (("CED", "RSTD"), {"DREG": "1"}, {}),
    (("CEAD", "RSTD"), {"ADREG": "1"}, {}),
    (("CEM", "RSTM"), {"MREG": "1"}, {}),
    (("CEP", "RSTP"), {"PREG": "1"}, {}),
    (("CEINMODE", "RSTINMODE"), {"INMODEREG": "1"}, {}),
    (("CEALUMODE", "RSTALUMODE"), {"ALUMODEREG": "1"}, {}),
    (("CECTRL", "RSTCTRL"), {"OPMODEREG": "1"}, {}),
    (("CECTRL", "RSTCTRL"), {"CARRYINSELREG": "1"}, {}),
    (("CECARRYIN", "RSTALLCARRYIN"), {"CARRYINREG": "1"}, {"MREG": "1"}),
    (("RSTALLCARRYIN",), {"MREG": "1", "..": {"CARRYINSEL": list("011")}}, {"..": {"CARRYINSEL": list("011")}}),
    (("CARRYCASCIN",), {"..": {"CARRYINSEL": list("010")}}, {"..": {"CARRYINSEL": list("110")}}),
    (("CARRYCASCIN",), {"..": {"CARRYINSEL": [*WIRE, "1", "0"]}}, {"..": {"CARRYINSEL": [*WIRE, "1", "1"]}}),
    (("MULTSIGNIN",), {"..": {"OPMODE": list("0001001")}}, {"..": {"OPMODE": list("1010000")}}),
    (("MULTSIGNIN",), {"..": {"OPMODE": ["0", "0", "0", "1", "0", *WIRE, "1"]}}, {"..": {"OPMODE": ["1", *WIRE * 6]}}),
]


def dsp_of(cells, settings):
    parameters = {name: value for name, value in settings.items() if name != ".."}
    return with_one(cells, "DSP48E1", {**NO_REGISTERS, **parameters}, settings.get("..", {}))


@pytest.mark.parametrize(("pins", "looks", "does_not"), LOOKED_AT, ids=lambda value: "-".join(value) or "none")
def test_pin_of_a_dsp_may_hang_unless_the_dsp_looks_at_it(cells, pins, looks, does_not):
    for pin in pins:
        assert not may_hang(cells, dsp_of(cells, looks), pin)
        assert may_hang(cells, dsp_of(cells, does_not), pin)


def test_dsp_has_a_stage_of_each_register_unless_it_says_otherwise(cells):
    whole = with_one(cells, "DSP48E1", {})
    free = {pin for pin, of in cells["DSP48E1"]["ports"].items()
            if of["direction"] == "input" and may_hang(cells, whole, pin)}  # fmt: skip
    assert free == {"CEA1", "CEB1", "CARRYCASCIN", "MULTSIGNIN"}  # nothing selects the first of two registers


# products (OPMODE 0000101) with the registers that Yosys uses, and more
MAPPED = [
    {}, {"MREG": "1", "PREG": "1"}, {"AREG": "1", "BREG": "1", "MREG": "1"}, {"AREG": "10", "BREG": "10", "PREG": "1"},
    {"AREG": "1", "DREG": "1", "ADREG": "1", "USE_DPORT": "TRUE"}, {"CREG": "1", "CARRYINREG": "1"},
]  # fmt: skip


CONSTANT = {"OPMODE": list("1010000"), "CARRYINSEL": list("000"), "INMODE": list("00000"), "ALUMODE": list("0000"),
            "ACIN": ["0"] * 30, "BCIN": ["0"] * 18, "PCIN": ["0"] * 48}  # fmt: skip
CASCADED = ("CARRYCASCIN", "MULTSIGNIN")


def dsps_of(cells, hanging, *, tied):
    """A DSP48E1 for each (parameters, pins) of ``hanging``: those pins are ports like the others, or tied to zero."""
    free = iter(range(2, 100_000))
    pins, unknown = cells["DSP48E1"]["ports"], ("CARRYOUT",)  # at power-up, in the model
    inputs = {pin: [next(free) for _ in of["bits"]] for pin, of in pins.items() if of["direction"] == "input"}
    outputs, inside = {}, {}
    for i, (settings, loose) in enumerate(hanging):
        given = {pin: [next(free) for _ in of["bits"]] for pin, of in pins.items() if of["direction"] == "output"}
        outputs |= {f"{pin}_{i}": bits for pin, bits in given.items() if pin not in unknown}
        zeros = {pin: ["0"] for pin in loose if tied}
        inside[f"dsp_{i}"] = cell("DSP48E1", inputs | CONSTANT | zeros, given, **{**NO_REGISTERS, **settings})
    return module(inputs, outputs, inside)


def test_what_may_hang_changes_nothing_that_a_dsp_gives(cells, tmp_path):
    steering = [pin for pin in cells["DSP48E1"]["ports"] if pin.startswith(("CE", "RST")) or pin in CASCADED]
    hanging = [(each, [pin for pin in steering if may_hang(cells, dsp_of(cells, each), pin)]) for each in MAPPED]
    assert hanging[0][1] == steering and all(len(steering) / 2 < len(pins) < len(steering) for _, pins in hanging[1:])
    prove_equal(dsps_of(cells, hanging, tied=True), dsps_of(cells, hanging, tied=False), tmp_path)


def test_what_may_not_hang_does(cells, tmp_path):
    wrong = [({"PREG": "1"}, ["CEP"])]
    with pytest.raises(SynthesisError, match="proof: Yosys refuses it: ERROR: Called with -verify and proof did fail!"):
        prove_equal(dsps_of(cells, wrong, tied=True), dsps_of(cells, wrong, tied=False), tmp_path, after_edges=4)


@pytest.mark.parametrize(
    ("pin", "looks", "does_not"),
    [
        ("CASCADEINA", {"RAM_EXTENSION_A": "UPPER"}, {"RAM_EXTENSION_A": "NONE", "RAM_EXTENSION_B": "UPPER"}),
        ("CASCADEINB", {"RAM_EXTENSION_B": "LOWER"}, {"RAM_EXTENSION_A": "UPPER"}),
        ("INJECTSBITERR", {"EN_ECC_WRITE": "TRUE"}, {"EN_ECC_WRITE": "FALSE", "EN_ECC_READ": "TRUE"}),
        ("INJECTDBITERR", {"EN_ECC_WRITE": "TRUE"}, {}),
    ],
)
def test_pin_of_block_ram_may_hang_unless_it_extends_or_corrects(cells, pin, looks, does_not):
    assert not may_hang(cells, with_one(cells, "RAMB36E1", looks), pin)
    assert may_hang(cells, with_one(cells, "RAMB36E1", does_not), pin)
    assert not may_hang(cells, with_one(cells, "RAMB36E1", does_not), "REGCEB")


@pytest.mark.parametrize("kind", ["RAM32M", "RAM64M"])
@pytest.mark.parametrize("port", "ABCD")
def test_memory_in_luts_may_lack_the_data_that_nobody_reads(cells, kind, port):
    whole = with_one(cells, kind, {})
    assert not may_hang(cells, whole, f"DI{port}")
    assert not may_hang(cells, whole, "ADDRD")
    del whole["ports"][f"DO{port}"]
    assert may_hang(cells, whole, f"DI{port}") and not may_hang(cells, whole, "ADDRD")
    read = whole["cells"]["it"]["connections"][f"DO{port}"][-1]
    whole["cells"]["reader"] = lut("10", [read], 9_998)
    assert not may_hang(cells, whole, f"DI{port}")


def test_memory_in_luts_may_lack_a_bit_of_which_nobody_reads_the_output(cells):
    whole = with_one(cells, "RAM32M", {})
    for bits, read in itertools.product((["0", "x"], ["x", "0"]), (0, 1)):
        inside = whole["cells"]["it"]["connections"]
        whole["ports"]["DOB"]["bits"], inside["DIB"] = [inside["DOB"][read]], bits
        if bits[read] == "0":
            check_netlist({**cells, "top": whole}, "top")
        else:
            refuse(cells, whole, "RAM32M 'it': nobody drives all bits of its input DIB")


@pytest.mark.parametrize(
    ("pin", "hangs"),
    [("DMA0ACLK", True), ("MAXIGP1ACLK", True), ("SAXIHP1ARADDR", True), ("MAXIGP0ACLK", False),
     ("SAXIHP0WDATA", False), ("IRQF2P", False), ("FPGAIDLEN", False)],
)  # fmt: skip
def test_pin_of_the_processor_may_hang_unless_the_shell_uses_it(cells, pin, hangs):
    assert may_hang(cells, with_one(cells, "PS7", {}), pin) == hangs
