"""What an operator tells the rest of `quant`, with what holds of most of them.

| step                    | asks                                                                                   |
| ----------------------- | -------------------------------------------------------------------------------------- |
| networks as written     | ``kinds``, ``written``, ``functions``, ``take``, ``rearranges``: modules, functions    |
| normal form             | ``is_filters``, ``lets_pass``, ``needs_own_convolution``                               |
| structure               | ``hands_on``, ``accumulates``, ``joins``, ``reads``, ``refusal``: where quantizers are |
| twin                    | ``quantized`` of filters, ``bits``, ``unquantized``; ``settled``, ``grid``, ``parts``  |
| export                  | ``tidy``: nodes of the graph as hardware takes them best                               |
| bits of single layers   | ``window``, ``rows_ahead``: the rows that the accelerator holds                        |
| integer program         | ``names``, ``takes``, ``parse``: nodes of the exported graph; ``steps``                |
| engines                 | ``run`` by torch, ``build`` for onnxruntime, ``compile`` by kernels in C++             |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper
    from torch import fx, nn

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.program import Step
    from quant.integer.torch_engine import TorchEngine
    from quant.operators.rearrangement import Moved
    from quant.twin.written import Translator


class Unsupported(Exception):
    """Why an operation is not taken; becomes the end of a sentence that begins with its place."""


def refuse(reason: str) -> NoReturn:
    """Ends the translation of an operation."""
    raise Unsupported(reason)


ZERO = -1  # where values are rearranged by numbers: one that is no value of the tensor, but zero


def called(module: nn.Module, *numbers: torch.Tensor) -> torch.Tensor:
    """What a module that moves values alone makes of numbers."""
    return module(*numbers)


def pair(value: Any) -> tuple[Any, Any]:
    """Height and width of a setting that may be one number for both."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def activation_function(make: Callable[..., nn.Module]) -> Callable[..., fx.Node]:
    """What translates a function of torch with the arguments of the module ``make``."""

    def handler(translator: Translator, x: fx.Node, *arguments: Any, inplace: bool = False, **named: Any) -> fx.Node:
        del inplace
        return translator.emit(make(*arguments, **named), (x,))

    return handler


class Operator:
    """One operator, or one form of a function of torch that has several.

    ``kinds`` are its modules in a network in normal form, which its twin keeps or replaces by modules of their types;
    ``written`` further modules of torch.nn that people write it as. ``told``: how it stands in the sentence of what is
    supported. ``names`` are the types of its ONNX nodes, ``steps`` its steps of an integer program.
    """

    kinds: ClassVar[tuple[type[nn.Module], ...]] = ()
    written: ClassVar[tuple[type[nn.Module], ...]] = ()
    told: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()
    steps: ClassVar[tuple[type[Step], ...]] = ()

    is_filters: ClassVar[bool] = False  # weights and integer accumulators, behind which a BN stands
    makes_logits: ClassVar[bool] = False  # filters that may be the network's last layer
    accumulates: ClassVar[bool] = False  # gives multiples of a fraction of its codes, so a quantizer stands behind it
    hands_on: ClassVar[bool] = False  # gives the codes that it reads, which need no further quantizer
    settled: ClassVar[bool] = False  # where it accumulates: the constant before its quantizer is stored, and settled
    joins: ClassVar[bool] = False  # its inputs share a scale
    lets_pass: ClassVar[bool] = False  # f(operator(x)) = operator(f(x)) for every rising f
    needs_own_convolution: ClassVar[bool] = False  # whose outputs it may reorder
    takes_moved: ClassVar[bool] = False  # ``take`` is given values in other places as `rearrangement.Moved`
    is_followed: ClassVar[bool] = False  # a subclass with a forward of its own is traced, whose functions are taken
    of_volumes: ClassVar[bool] = False  # its tensors are (N, C, X, Y, Z), which the engine of torch alone computes
    keeps_sign: ClassVar[bool] = True  # gives nothing negative where it reads nothing negative
    bits: ClassVar[str] = "activation"  # the field of `config.Bits` for its output, where it accumulates

    # ---- networks as people write them ----------------------------------------------------------------------------
    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Function of torch -> what translates its call: (translator, *arguments, **named) -> node."""
        return {}

    def rearranges(self) -> dict[Any, Callable[..., Any]]:
        """Function or module of torch that moves values alone -> what it does to their numbers (`rearrangement`)."""
        return {}

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node | Moved:
        """The node for a call of ``module``, which has the name ``name``.

        Raises:
            Unsupported: it is of a form that has no integer form.
        """
        return translator.emit(module, inputs, name)

    # ---- structure ------------------------------------------------------------------------------------------------
    def reads(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose values ``node`` reads."""
        return node.all_input_nodes

    def window(self, module: nn.Module) -> int:
        """Rows of its input that one row of its output reads."""
        return 1

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """Rows of the image that it waits for beyond the row that it makes; one row of its input and one of its output
        stand for ``step_in`` and ``step_out`` of them.
        """
        return self.window(module) // 2 * step_in

    # ---- twin -----------------------------------------------------------------------------------------------------
    def unquantized(self, module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
        """What ``module`` of a twin gives without quantizers of its own."""
        return module(*inputs)

    def parts(self, module: nn.Module, *inputs: torch.Tensor) -> int:
        """How many times its output is a multiple of ``grid``; of what is ``settled``."""
        return 1

    def grid(self, scales: list[float]) -> float:
        """What one accumulator is worth, by the scales of its inputs; of what is ``settled`` by it."""
        raise NotImplementedError

    def tidy(self, model: ModelWrapper, node: NodeProto) -> None:
        """Writes ``node`` of an exported graph as hardware takes it best, without changing a value."""

    # ---- integers -------------------------------------------------------------------------------------------------
    def takes(self, node: NodeProto) -> bool:
        """Whether ``node``, of a type of this operator, is one of it: for operators that share an ONNX type."""
        return True

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Reads ``node`` as a step.

        Raises:
            ExportError: it has no exact integer form.
        """
        raise NotImplementedError

    def require_settled(self, step: Step) -> None:
        """ExportError where float32 may decide a code of ``step``, beside convolutions."""

    def run(self, engine: TorchEngine, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Codes (N, C, H, W) of ``step`` in float64, or accumulators of the last layer."""
        raise NotImplementedError

    def build(self, builder: GraphBuilder, step: Step) -> None:
        """Adds nodes that compute ``step`` on codes, stored from 0, (1, H, W, lanes * C) uint8."""
        raise NotImplementedError

    def compile(self, plan: Plan, step: Step) -> bool:
        """Adds calls of the compiled kernels that compute ``step``; False where there are none for it."""
        return False
