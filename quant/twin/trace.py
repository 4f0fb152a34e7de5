"""A network's operations in order, by torch.fx, with what each gives for one image; a sentence where that fails."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import math
import operator
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from quant.base.errors import ConfigError
from quant.operators import operator_of
from quant.operators.filters import is_filters

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE_SIZES = (64, 256)  # of the image that a network is tried with: the first at which it runs
_OF_SHAPES = ("size", "dim", "ndimension", "numel", "nelement", "stride", "element_size")  # methods of a tensor
_ATTRIBUTES_OF_SHAPES = ("shape", "ndim", "dtype", "device")
_SEED = 20
_LINE_LENGTH = 80
_LIBRARIES = tuple(str(Path(package.__file__).parent) for package in (torch,))


class _PartWritten(Exception):
    """A slice is given other values."""


class _DoesNotRun(Exception):
    """The network does not accept an image; the sentence says why."""


class _Numbers:
    """What a traced value knows: of several tensors how many there are; what follows from shapes is a number."""

    def __getattr__(self, name: str) -> fx.Proxy:
        return _Attribute(self, name)

    def __len__(self) -> int:
        count = self.tracer.count(self.node)
        return super().__len__() if count is None else count

    def __setitem__(self, place: Any, value: Any) -> None:
        raise _PartWritten

    def __int__(self) -> int:
        return int(self.tracer.of_shapes(self.node))

    def __index__(self) -> int:
        return operator.index(self.tracer.of_shapes(self.node))

    def __float__(self) -> float:
        return float(self.tracer.of_shapes(self.node))

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.tracer.of_shapes(self.node), digits)

    def __floor__(self) -> int:
        return math.floor(self.tracer.of_shapes(self.node))

    def __ceil__(self) -> int:
        return math.ceil(self.tracer.of_shapes(self.node))


class _Proxy(_Numbers, fx.Proxy):
    """A traced value."""


class _Attribute(_Numbers, fx.proxy.Attribute):
    """``x.shape``, or a method before it is called."""


class _Tracer(fx.Tracer):
    record_stack_traces = True

    def __init__(self, in_channels: int | None, size: tuple[int, ...]) -> None:
        super().__init__()
        self._in_channels, self._size = in_channels, size
        self._running = False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Of our own."""
        return _Proxy(node, self)

    def iter(self, obj: fx.Proxy) -> Iterator[fx.Proxy]:
        """The parts of what gives several tensors, as a split does."""
        count = self.count(obj.node)
        return super().iter(obj) if count is None else iter([obj[place] for place in range(count)])

    def count(self, node: fx.Node) -> int | None:
        """How many values ``node`` gives; None where it is one."""
        value = self._value(node)
        return len(value) if isinstance(value, (tuple, list)) else None

    def to_bool(self, obj: fx.Proxy) -> bool:
        """What follows from shapes; what an assertion holds is no way that forward takes."""
        frame = _own_frames(traceback.extract_stack())[-1]
        is_assertion = (frame.line or "").lstrip().startswith("assert")
        if is_assertion and self._value(obj.node):
            return True
        return bool(self.of_shapes(obj.node)) if _follows_from_shapes(obj.node) else super().to_bool(obj)

    def of_shapes(self, node: fx.Node) -> Any:
        """What ``node`` gives for the image.

        Raises:
            TraceError: that does not follow from shapes alone.
        """
        value = self._value(node) if _follows_from_shapes(node) else None
        if value is None or isinstance(value, torch.Tensor):
            raise fx.proxy.TraceError("values of tensors cannot decide what is computed")
        return value

    def _value(self, node: fx.Node) -> Any:
        """What ``node`` gives when the graph so far is run for an image; None where it does not run."""
        channels = self._in_channels or _in_channels(self.root, self.graph)
        values: dict[fx.Node, Any] = {}
        self._running = True
        with contextlib.suppress(Exception), torch.no_grad():
            _Recorder(self.root, self.graph, values).run(example_codes(1, channels, *self._size) / 256)
        self._running = False
        return values.get(node)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A node; while the graph so far is run, what the module gives."""
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A node of a parameter; while the graph so far is run, the parameter."""
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        kinds = [kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn.modules")]
        plain = kinds and kinds[0] is not nn.Module and type(module).forward is kinds[0].forward
        is_own = plain and kinds[0] not in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        operator_written = operator_of(module)
        if operator_written is not None and operator_written.is_followed and not plain:
            return False
        return operator_written is not None or bool(is_own) or super().is_leaf_module(module, qualified_name)


class Trace:
    """``graph`` of a network in evaluation mode, as it is written; ``values``: what each node gives for ``image``.

    The image is (1, C, H, W), or a volume (1, C, X, Y, Z).

    Raises:
        ConfigError: its data flow depends on values, or it does not run.
    """

    def __init__(
        self,
        network: nn.Module,
        in_channels: int | None = None,
        sizes: tuple[tuple[int, ...], ...] = tuple((side, side) for side in IMAGE_SIZES),
    ) -> None:
        failure = None
        for size in sizes:
            try:
                self._trace(network, in_channels, size)
            except _DoesNotRun as does_not_run:
                failure = failure or does_not_run
                continue
            return
        raise ConfigError(str(failure))

    def _trace(self, network: nn.Module, in_channels: int | None, size: tuple[int, ...]) -> None:
        """By an image of ``size`` (H, W), or a volume of (X, Y, Z).

        Raises:
            _DoesNotRun: the network does not accept it.
            ConfigError: as the class.
        """
        try:
            self.graph = _Tracer(in_channels, size).trace(network, concrete_args=_defaults(network) or None)
        except Exception as error:  # noqa: BLE001  (whatever a forward does with a traced tensor)
            if isinstance(error, NameError) and "module is not installed as a submodule" in str(error):
                raise ConfigError(
                    f"the network's forward calls a module that is not its own{_where(error)}; make it in"
                    " __init__, as an attribute of the network"
                ) from None
            if isinstance(error, _PartWritten):
                raise ConfigError(
                    f"the network's forward writes into a part of a tensor{_where(error)}; join its parts by torch.cat"
                ) from None
            if in_channels is not None and outcome(network, example_codes(1, in_channels, *size) / 256) is None:
                raise _DoesNotRun(
                    f"the network does not run on an image of {_sizes(in_channels, *size)}: its forward says"
                    f" '{first_line(error)}'{_where(error)}"
                ) from None
            raise ConfigError(
                f"the network's data flow depends on values{_where(error)}, which no circuit can follow"
                f" ({first_line(error)}); write forward without it"
            ) from None
        self.placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        if not self.placeholders:
            raise ConfigError("the network's forward takes no image; its first argument is the (B, C, H, W) image")
        self.in_channels = in_channels or _in_channels(network, self.graph)
        self.image = example_codes(1, self.in_channels, *size) / 256
        self.values = self._run(network)

    @staticmethod
    def owner(node: fx.Node) -> str:
        """The name of the module whose forward has the operation ``node``; '' of the network's own."""
        return next((path for path, _ in reversed(node.meta.get("nn_module_stack", {}).values())), "")

    def where(self, node: fx.Node) -> str:
        """'module 'name'' or 'operation 'add' (file, line N)' for error messages."""
        if node.op == "call_module":
            return f"'{node.target}'"
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.name)
        return f"'{name}'{_line_of(node)}"

    def _run(self, network: nn.Module) -> dict[fx.Node, Any]:
        values: dict[fx.Node, Any] = {}
        try:
            with torch.no_grad():
                _Recorder(network, self.graph, values).run(self.image)
        except Exception as error:  # noqa: BLE001  (whatever a module says to tensors that do not fit it)
            node, shape = next(node for node in self.graph.nodes if node not in values), _sizes(*self.image.shape[1:])
            if outcome(network, self.image) is not None:
                raise ConfigError(
                    f"the network runs on an image of {shape}, but its forward takes another path when it is traced"
                    f" ({self.where(node)} says '{first_line(error)}'), as behind isinstance(x, torch.Tensor);"
                    " write forward without it"
                ) from None
            raise _DoesNotRun(
                f"the network does not run on an image of {shape}: {self.where(node)} says"
                f" '{first_line(error)}'; shapes that meet there must fit"
            ) from None
        return values


def _sizes(*sizes: int) -> str:
    return "x".join(map(str, sizes))


def _follows_from_shapes(node: fx.Node) -> bool:
    """Whether what ``node`` gives is worked out from shapes alone, not from values of a tensor."""
    if node.op == "call_method" and node.target in _OF_SHAPES:
        return True
    if node.target is getattr:
        return node.args[1] in _ATTRIBUTES_OF_SHAPES
    is_number = node.op == "call_function" and not str(getattr(node.target, "__module__", "")).startswith("torch")
    return is_number and bool(node.all_input_nodes) and all(map(_follows_from_shapes, node.all_input_nodes))


class _Recorder(fx.Interpreter):
    """Keeps every value as it was when it was made: operations in place may change it later."""

    def __init__(self, network: nn.Module, graph: fx.Graph, values: dict[fx.Node, Any]) -> None:
        super().__init__(network, graph=graph)
        self._values = values

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        self._values[n] = value.clone() if isinstance(value, torch.Tensor) else value
        return value


def record(network: nn.Module, graph: fx.Graph, image: torch.Tensor) -> dict[fx.Node, Any]:
    """What each node of ``graph``, a trace of ``network``, gives for ``image``."""
    values: dict[fx.Node, Any] = {}
    with torch.no_grad():
        _Recorder(network, graph, values).run(image)
    return values


def example_codes(count: int, channels: int, *sides: int, seed: int = _SEED) -> torch.Tensor:
    """Random codes (count, channels, *sides) float32, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, *sides), generator=generator).to(torch.float32)


def _defaults(network: nn.Module) -> dict[str, Any]:
    """The arguments of forward after the image that have a default: constants, which may decide its way."""
    parameters = list(inspect.signature(network.forward).parameters.values())[1:]
    return {entry.name: entry.default for entry in parameters if entry.default is not inspect.Parameter.empty}


def outcome(network: nn.Module, image: torch.Tensor) -> tuple[Any] | None:
    """What ``network`` gives for ``image``, in a tuple; None where it does not accept it."""
    try:
        with torch.no_grad():
            return (network(image),)
    except Exception:  # noqa: BLE001  (whatever a module says to tensors that do not fit it)
        return None


def _in_channels(network: nn.Module, graph: fx.Graph) -> int:
    """Channels that the first convolution reads; 3 where there is none."""
    modules = dict(network.named_modules())
    for node in graph.nodes:
        module = modules.get(node.target) if node.op == "call_module" else None
        if is_filters(module):
            return module.in_channels
    return 3


def first_line(error: Exception) -> str:
    """What ``error`` says, as a part of a sentence; its name where it says nothing."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.split(". ")[0].rstrip(".")


def _own_frames(frames: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Those that are of the user's code, or call it."""
    return [frame for frame in frames if not frame.filename.startswith(_LIBRARIES) and frame.filename != __file__]


def _where(error: Exception) -> str:
    """' in "code" (file, line N)': the last line of the user's own that ran."""
    frames = _own_frames(traceback.extract_tb(error.__traceback__))
    if not frames:
        return ""
    frame = frames[-1]
    line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    line = line if len(line) <= _LINE_LENGTH else f"{line[:_LINE_LENGTH]} ..."
    return f" in `{line}` ({Path(frame.filename).name}, line {frame.lineno})"


def _line_of(node: fx.Node) -> str:
    """' (file, line N)' of the last line outside torch that made ``node``."""
    lines = [line.strip() for line in (node.stack_trace or "").splitlines() if line.strip().startswith("File ")]
    own = [line for line in lines if not any(library in line for library in _LIBRARIES)]
    if not own:
        return ""
    file, number = own[-1].split('"')[1], own[-1].split("line ")[1].split(",")[0]
    return f" ({Path(file).name}, line {number})"
