"""Bench for one kernel: its node in a graph, its RTL in Verilator, both fed the same frames back to back."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from board.packing import pack_stream, unpack_stream
from hw_build.kernels import DOMAIN
from hw_build.kernels.base import RtlInstance
from hw_build.simulate import build
from hw_build.simulate.simulator import Simulator

BUILD_DIR = Path(__file__).resolve().parents[2] / "build" / "tests" / "rtl"
STALL_PATTERNS = [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4), (0.9, 0.1)]  # (idle, back-pressure)


def single_node_model(
    op_type: str, shapes: list[tuple], types: list[str], constants: dict, num_outputs: int = 1, **attributes
) -> ModelWrapper:
    """A graph of one kernel; ``shapes`` and ``types`` are its streams', ``constants`` go by input position."""
    names = [f"in{i}" for i in range(len(shapes) + len(constants))]
    outputs = [f"out{i}" for i in range(num_outputs)]
    node = helper.make_node(op_type, names, outputs, domain=DOMAIN, name=f"{op_type}_0", **attributes)
    streams = [i for i in range(len(names)) if i not in constants]
    graph = helper.make_graph(
        [node],
        "one_kernel",
        [helper.make_tensor_value_info(names[i], TensorProto.FLOAT, s) for i, s in zip(streams, shapes, strict=True)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
    )
    model = ModelWrapper(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
    for i, t in zip(streams, types, strict=True):
        model.set_tensor_datatype(names[i], DataType[t])
    for i, value in constants.items():
        model.set_initializer(names[i], np.asarray(value, dtype=np.float32))
    return model.transform(InferShapes()).transform(InferDataTypes())


def random_codes(rng: np.random.Generator, data_type: str, shape: tuple) -> np.ndarray:
    """Uniform over the whole type, its extremes included."""
    t = DataType[data_type]
    return rng.integers(int(t.min()), int(t.max()) + 1, shape)


def rtl_of(model: ModelWrapper) -> RtlInstance:
    """The RTL of a graph of one kernel, all of it in files."""
    return getCustomOp(model.graph.node[0]).rtl_instance(model).written(BUILD_DIR / "wrappers")


class KernelBench:
    """The kernel of a single-node graph, with ``num_frames`` different random frames for each of its streams."""

    def __init__(self, model: ModelWrapper, num_frames: int = 3, seed: int = 1) -> None:
        self.op = getCustomOp(model.graph.node[0])
        self.simulator = self.simulator_of(rtl_of(model))
        self.num_frames = num_frames
        rng = np.random.default_rng(seed)
        self.streams = []
        for i in self.op.stream_inputs():
            shape = (num_frames, *self.op.get_normal_input_shape(i)[1:])
            self.streams.append(random_codes(rng, self.op.get_input_datatype(i).name, shape))
        constants = [
            np.rint(model.get_initializer(name)).astype(np.int64)
            for name in model.graph.node[0].input[len(self.streams) :]
        ]
        self.expected = self.op.compute(self.streams + constants)

    def simulator_of(self, rtl: RtlInstance) -> Simulator:
        """The simulator of the RTL sources."""
        return build(
            rtl.module, rtl.files, BUILD_DIR, parameters=rtl.parameters, inputs=rtl.inputs, outputs=rtl.outputs
        )

    def check(self, idle: float, stall: float, seed: int = 7):
        """Run all frames back to back; exact values and exact number of beats, or an assertion names the pattern."""
        op = self.op
        inputs = [
            pack_stream(x, op.input_elements(i), op.get_input_datatype(i).bitwidth())
            for i, x in enumerate(self.streams)
        ]
        elements = op.output_elements()
        beats = [e.size // elements for e in self.expected]
        result = self.simulator.run(inputs, beats, idle=idle, stall=stall, seed=seed)
        for i, expected in enumerate(self.expected):
            data_type = op.get_output_datatype(i)
            got = unpack_stream(result.outputs[i], expected.shape, elements, data_type.bitwidth(), data_type.signed())
            np.testing.assert_array_equal(got, expected, err_msg=f"output {i}, idle {idle}, stall {stall}, seed {seed}")
        return result

    def check_all_patterns(self, depends: int = 0) -> None:
        """Every idle and back-pressure pattern, then the cycles of a frame in the steady state, then rows.

        ``depends``: the first beat of an output row that is not the same whatever comes in.
        """
        for seed, (idle, stall) in enumerate(STALL_PATTERNS):
            result = self.check(idle, stall, seed)
            if idle == stall == 0:
                assert self.frame_cycles(result) == [self.op.get_exp_cycles()] * (self.num_frames - 1)
        self.check_rows(depends)

    def check_rows(self, depends: int) -> None:
        """Each row of the output, from its beat ``depends`` on, begins while the last row that it needs comes in.

        No earlier and no later.
        One frame comes in so slowly that all that can be done with a beat is done before the next.
        """
        op, rows = self.op, self.op.rows()
        inputs = [
            pack_stream(x[:1], op.input_elements(i), op.get_input_datatype(i).bitwidth())
            for i, x in enumerate(self.streams)
        ]
        beats = [e[:1].size // op.output_elements() for e in self.expected]
        pace = 2 * op.get_exp_cycles() + 100
        most = max(map(len, inputs))
        paces = [pace * most / len(beats_in) for beats_in in inputs]  # rows of all streams come at the same time
        result = self.simulator.run(inputs, beats, cycles_per_beat=paces, max_idle_cycles=int(2 * max(paces)))
        begun = result.output_cycles[0].reshape(rows.rows_out, -1)[:, depends]
        come = np.arange(rows.rows_in) * (pace * most / rows.rows_in)  # a row's first beat is offered
        assert (np.searchsorted(come, begun, side="left") - 1).tolist() == list(rows.last)

    def frame_cycles(self, result) -> list[int]:
        """Cycles between the last output beats of consecutive frames."""
        ends = result.output_cycles[0].reshape(self.num_frames, -1)[:, -1].astype(np.int64)
        return np.diff(ends).tolist()
