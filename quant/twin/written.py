"""Networks as people write them, as graphs of modules: functions and operators become modules, each used once.

``F.relu(x)``, ``x + y``, ``torch.cat``, ``F.interpolate`` and the like get modules of their own, because a module can
be given a quantizer; one ReLU used twice becomes two. Dropout and Identity, which do nothing at inference, are left
out. Sizes that forward works out from shapes are taken as they are for one image. Whatever is not in the tables here
is refused with a sentence.
"""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import fx, nn
from torch.nn import functional as F

from quant.base.errors import ConfigError
from quant.layers.frozen_norm import FrozenNorm, Norm, affine_of
from quant.operators import functions, told, written_as
from quant.operators.filters import is_filters
from quant.operators.operator import Unsupported, activation_function, refuse
from quant.operators.rearrangement import Moved, modules_that_make, numbers_of, rearrangements
from quant.operators.volumes import RANK
from quant.twin.activations import ACTIVATIONS
from quant.twin.joined_lines import JoinedLines, joined, parts, require_pointwise
from quant.twin.module_graph import ModuleGraph, never_negative, run_graph
from quant.twin.trace import IMAGE_SIZES, Trace, example_codes, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_NEAR = 1e-3  # of the largest logit
_SIDES_OF_IMAGES = 2
_MOST_VALUES = 1 << 27  # of a tensor of a large image that is tried
_LEAST_SIDE = 8  # of a tensor whose slices show their steps and what they leave out


def supported() -> str:
    """What a network may consist of, as the end of a sentence."""
    return (
        f"{told()}, BatchNorm2d, ReLU and other activations, multiplication and addition of constants, Dropout and"
        " Identity"
    )


def as_modules(network: nn.Module, in_channels: int | None = None, size: tuple[int, ...] | None = None) -> ModuleGraph:
    """``network``, which is left alone, as a graph of modules in evaluation mode; see the head of this file.

    ``in_channels``: of its image; None: as many as its first convolution reads. ``size``: (H, W) of its image; None:
    any. What is found for images of any size is taken where it is the network at ``size``, too; else what is found at
    ``size``, whose pads, crops and windows are those of such images alone (``of_one_size``). A network for volumes has
    a ``size`` (X, Y, Z), and is found at that.

    Each node has in ``meta`` the ``shape`` (1, C, H, W) of its output for the trace's image and, where a node of the
    trace gives the same values, its name: ``origin``.

    Raises:
        ConfigError: something in it has no integer form here; the sentence names it.
    """
    _require_weights(network)
    found = None
    try:
        if size is None or len(size) == _SIDES_OF_IMAGES:
            found = _of_any_size(network, in_channels)
    except ConfigError:
        if size is None:
            raise
    if size is None or (found is not None and _is_network(found, network, size)):
        return found
    copied = copy.deepcopy(network).eval()
    return Translator(copied, Trace(copied, in_channels, (size,)), of_one_size=True).run()


def _of_any_size(network: nn.Module, in_channels: int | None) -> ModuleGraph:
    copied = copy.deepcopy(network).eval()
    trace = Trace(copied, in_channels)
    try:
        return Translator(copied, trace).run()
    except _TooSmall as small:
        if _most_values_of_large(trace) > _MOST_VALUES:
            raise
        copied = copy.deepcopy(network).eval()
        try:
            trace = Trace(copied, in_channels, ((IMAGE_SIZES[-1], IMAGE_SIZES[-1]),))
        except ConfigError:
            raise small from None
        return Translator(copied, trace).run()


def _most_values_of_large(trace: Trace) -> int:
    """Values of the largest tensor that a large image may make; what is larger than every (1, C, H, W) of the trace,
    as the products of attention, grows with the square of the pixels.
    """
    side = max(trace.image.shape[2:])
    tensors = [value for value in trace.values.values() if isinstance(value, torch.Tensor)]
    maps = [value.numel() for value in tensors if value.dim() == trace.image.dim() and max(value.shape[2:]) <= side]
    growth = (IMAGE_SIZES[-1] // side) ** 2
    sizes = [value.numel() for value in tensors]
    return max(size * (growth if size <= max(maps) else growth**2) for size in sizes)


def _is_network(found: ModuleGraph, network: nn.Module, size: tuple[int, int]) -> bool:
    """Whether ``found`` gives the values of ``network`` for an image of ``size``, but for rounding."""
    image = example_codes(1, int(found.image.meta["shape"][1]), *size) / 256
    given = outcome(copy.deepcopy(network).eval(), image)
    if given is None:
        return True  # an image that it does not accept is no reason to take another form
    (wanted,) = given
    try:
        with torch.no_grad():
            values = run_graph(found.graph, found.root, image)
    except RuntimeError:  # of shapes that do not fit
        return False
    return values.shape == wanted.shape and torch.allclose(
        values, wanted, rtol=0, atol=_NEAR * float(wanted.abs().max())
    )


class _TooSmall(ConfigError):
    """Values of a small image were moved in a way that has no form; of a larger one it may have."""


def _require_weights(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ConfigError(
                f"'{name}' of the network is compiled by torch.jit, so that its forward cannot be followed; give it as"
                " it was before"
            )
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.dtype != torch.float32:
            raise ConfigError(
                f"'{name}' of the network is {str(value.dtype).removeprefix('torch.')}; images and weights are float32:"
                " call network.float()"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ConfigError(f"'{name}' of the network holds NaN or infinity; train it again, or from other weights")


class Translator:
    """Walks the traced nodes of a network as written and emits the modules of its normal form.

    ``of_one_size``: the image has the size of the trace's, so that windows and pads may depend on it.
    """

    def __init__(self, network: nn.Module, trace: Trace, *, of_one_size: bool = False) -> None:
        self.of_one_size = of_one_size
        self._modules = dict(network.named_modules())
        self._in_place = {module for module in network.modules() if getattr(module, "inplace", False)}
        for module in self._in_place:
            module.inplace = False
        self._trace = trace
        self._result = ModuleGraph(network)
        self._result.of_one_size = of_one_size
        self._env: dict[fx.Node, Any] = {}
        self._used: set[str] = set()
        self._unknown_at = IMAGE_SIZES[-1]  # the image's side where moved values had no form
        self._node: fx.Node | None = None
        self._line_shape: tuple[int, ...] | None = None  # of what it gives of one of several lines

    def run(self) -> ModuleGraph:
        for node in self._trace.graph.nodes:
            self._node = node
            try:
                found = self._env[node] = self._translate(node)
            except Unsupported as reason:
                kind = _TooSmall if self._unknown_at < IMAGE_SIZES[-1] else ConfigError
                raise kind(f"{self._trace.where(self._node)} {reason}") from None
            if isinstance(found, fx.Node):
                found.meta.setdefault("origin", node.name)
        self._result.finish()
        return self._result

    def _translate(self, node: fx.Node) -> Any:
        value = self._trace.values[node]
        if node.op == "placeholder":
            if node is self._trace.placeholders[0]:
                self._result.image.meta["shape"] = tuple(value.shape)
                return self._result.image
            if isinstance(value, torch.Tensor):
                refuse("is a second input, but a network takes one image")
            return value
        if node.op == "output":
            return self._output(node)
        if node.target is operator.getitem and isinstance(self._env.get(node.args[0]), (tuple, list)):
            return self._part(node)
        reads_image = any(_is_of_image(self._env[source]) for source in node.all_input_nodes)
        is_several = isinstance(value, (tuple, list)) and any(isinstance(part, torch.Tensor) for part in value)
        if (is_several or isinstance(value, torch.Tensor)) and (lines := self._of_lines(node)) is not None:
            return lines
        if reads_image and (moved := self._moved(node)) is not None:
            return moved
        handler = functions().get(node.target) or FUNCTIONS.get(node.target)
        if reads_image and is_several and handler is None:
            indices = getattr(self._modules.get(str(node.target)), "return_indices", node.kwargs.get("return_indices"))
            refuse(
                "gives the places of its maxima, by which nothing lowers; enlarge by nearest or bilinear upsampling or"
                " by ConvTranspose2d instead of unpooling"
                if indices
                else f"gives several tensors, which has no integer form here; supported are {supported()}"
            )
        if not (isinstance(value, torch.Tensor) or is_several) or not reads_image:
            return value
        module = self._modules[str(node.target)] if node.op == "call_module" else None
        if module is not None and (written := written_as(module)) is not None and written.takes_moved:
            return written.take(self, module, tuple(map(self._env.__getitem__, node.all_input_nodes)), str(node.target))
        arguments, named = self._placed(node.args), self._placed(node.kwargs)
        if module is not None:
            return self._module(node, module, (*arguments, *named.values()))
        if handler is None:
            refuse(f"is an operation that has no integer form here; supported are {supported()}")
        arguments, named = _by_our_names(arguments, named)
        try:
            result = handler(self, *arguments, **named)
        except TypeError as error:
            refuse(f"is called in a way that is not known here ({error}); write it as a module of torch.nn")
        if _in_place(node):
            self._env[node.all_input_nodes[0]] = result
        return result

    def _of_lines(self, node: fx.Node) -> Any:
        """What ``node`` makes of lines that are joined, or which it joins; None of other tensors."""
        given = {each: self._env[each] for each in node.all_input_nodes}
        values, shape = list(given.values()), getattr(self._trace.values[node], "shape", ())
        lines = next((value for value in values if isinstance(value, JoinedLines)), None)
        if lines is None:
            nodes = [value for value in values if isinstance(value, (fx.Node, Moved))]
            return joined(node, nodes, shape) if nodes and len(nodes) == len(values) else None
        module = self._modules[str(node.target)] if node.op == "call_module" else None
        if isinstance(module, _NOTHING):
            return lines
        move = rearrangements().get(node.target if module is None else type(module))
        if move is not None and len([value for value in values if _is_of_image(value)]) == 1:
            numbers = {each: numbers_of(lines.shape()) if value is lines else value for each, value in given.items()}
            arguments, named = (fx.map_arg(each, numbers.__getitem__) for each in (node.args, node.kwargs))
            return parts(lines, move(*(() if module is None else (module,)), *arguments, **named), node)
        require_pointwise(module, lines.shape(), shape)
        made = []
        for index, line in enumerate(lines.lines):
            alike = {
                each: value.lines[index] if isinstance(value, JoinedLines) else value for each, value in given.items()
            }
            self._env.update(alike)
            self._line_shape = (1, shape[1], *self.shape(line)[2:])
            made.append(self._translate(node))
        self._line_shape = None
        changed = [each for each, value in alike.items() if self._env[each] is not value]
        self._env.update(given)
        found = JoinedLines(tuple(made), lines.dim)
        self._env.update(dict.fromkeys(changed, found))
        return found

    def _part(self, node: fx.Node) -> Any:
        """One of several values, which ``node`` takes."""
        found = self._env[node.args[0]][node.args[1]]
        if isinstance(found, Moved):
            found.node = node
        return found

    def _moved(self, node: fx.Node) -> Any:
        """What ``node``, which moves values of one tensor alone, gives: `Moved`, or several; None where it is another
        operation.
        """
        values = [self._env[source] for source in node.all_input_nodes]
        module = self._modules[str(node.target)] if node.op == "call_module" else None
        move = rearrangements().get(node.target if module is None else type(module))
        values = [value for value in values if _is_of_image(value)]
        if move is None or any(isinstance(value, (tuple, list)) for value in values):
            return None
        sources = {value.source if isinstance(value, Moved) else value for value in map(self._latest, values)}
        if len(sources) > 1:
            return None
        (source,) = sources
        numbers = {each: self._numbers(each) for each in node.all_input_nodes}
        arguments, named = (fx.map_arg(each, numbers.__getitem__) for each in (node.args, node.kwargs))
        found = move(*(() if module is None else (module,)), *arguments, **named)
        if isinstance(found, (tuple, list)):
            return tuple(Moved(source, each, node) for each in found)
        has_own_form = node.target in functions() if module is None else written_as(module) is not None
        if has_own_form and modules_that_make(found, self.shape(source)) is None:
            return None
        return Moved(source, found, node)

    @staticmethod
    def _latest(value: Any) -> Any:
        """The node that holds ``value``, where there is one already."""
        return value.made or value if isinstance(value, Moved) else value

    def _numbers(self, node: fx.Node) -> Any:
        """The places of what the traced ``node``, if it is made of the image, holds in what it is made of."""
        value = self._latest(self._env[node])
        if isinstance(value, Moved):
            return value.numbers
        return numbers_of(self._trace.values[node].shape) if isinstance(value, fx.Node) else value

    def _placed(self, arguments: Any) -> Any:
        """``arguments`` of a traced node as nodes of the result, and constants."""
        if isinstance(arguments, tuple):
            arguments = tuple(self._runs(each) if isinstance(each, (tuple, list)) else each for each in arguments)
        found = fx.map_arg(arguments, self._env.__getitem__)
        return fx.node.map_aggregate(found, lambda each: self._place(each) if isinstance(each, Moved) else each)

    def _runs(self, tensors: Sequence[Any]) -> list[Any]:
        """``tensors`` that are joined; those of one source that make one slice of it, or all of it, together."""
        found: list[Any] = []
        for each in tensors:
            value = self._env.get(each) if isinstance(each, fx.Node) else None
            before = found[-1] if found else None
            if isinstance(value, Moved) and isinstance(before, Moved) and before.source is value.source:
                numbers = torch.cat([before.numbers, value.numbers], 1)
                if modules_that_make(numbers, self.shape(value.source)) is not None:
                    found[-1] = Moved(value.source, numbers, each)
                    continue
            found.append(value if isinstance(value, Moved) else each)
        return found

    def _place(self, moved: Moved) -> fx.Node:
        """The node that makes ``moved``."""
        if moved.made is None:
            reading, self._node = self._node, moved.node
            shape = self.shape(moved.source)
            modules = modules_that_make(moved.numbers, shape)
            is_small = min(shape[2:]) < _LEAST_SIDE and moved.numbers.shape[2:] != shape[2:]
            is_unclear = is_small and not self.of_one_size and self._trace.image.shape[-1] < IMAGE_SIZES[-1]
            if modules is None or (modules and is_unclear):
                self._unknown_at = IMAGE_SIZES[-1] if self.of_one_size else self._trace.image.shape[-1]
                whole, made = ("x".join(map(str, each[1:])) for each in (shape, moved.numbers.shape))
                if len(shape) == RANK:
                    refuse(
                        f"makes {made} of {whole}: values of a volume are not moved; pool, enlarge, join or convolve"
                        " them"
                    )
                refuse(
                    f"makes {made} of {whole}, which is no slice, split, crop, order of channels, zeros around, pixel"
                    " shuffle or unshuffle of it; only those lower"
                )
            moved.made = moved.source
            for module in modules:
                with torch.no_grad():
                    shape = tuple(module(torch.empty(shape)).shape)
                unsigned, filters = never_negative(self._result, moved.made), is_filters(module)
                moved.made = self.emit(module, (moved.made,), shape=shape)
                if filters and unsigned:
                    moved.made = self.emit(nn.ReLU(), (moved.made,), shape=shape)
            if moved.made is not moved.source and isinstance(self._trace.values[moved.node], torch.Tensor):
                moved.made.meta["origin"] = moved.node.name
            self._node = reading
        return moved.made

    def _module(self, node: fx.Node, module: nn.Module, arguments: tuple[Any, ...]) -> fx.Node:
        name = str(node.target)
        if isinstance(module, _NOTHING):
            return arguments[0]
        operator_written = written_as(module)
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
            _require_norm(module)
            module = module if isinstance(module, nn.BatchNorm2d) else Norm.like(module)
        elif operator_written is None and not isinstance(module, ACTIVATIONS):
            refuse(f"is a {type(module).__name__}, which {self._hint(module)}")
        if operator_written is None:
            result = self.emit(module, arguments, name)
        else:
            result = operator_written.take(self, module, arguments, name)
        if module in self._in_place:
            self._env[node.all_input_nodes[0]] = result
        return result

    def _hint(self, module: nn.Module) -> str:
        """The end of the sentence on a module that is in no table."""
        is_of_volumes = len(self._trace.image.shape) == RANK
        if isinstance(module, (nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d, nn.InstanceNorm3d)):
            norm = "BatchNorm3d" if is_of_volumes else "BatchNorm2d"
            return f"{_OF_EACH_IMAGE}; take {norm}"
        if isinstance(module, nn.SyncBatchNorm):
            return "is BatchNorm2d for training on several GPUs; take BatchNorm2d, whose weights are the same"
        if type(module).__name__.startswith(("ReplicationPad", "ReflectionPad", "CircularPad")):
            instead = "" if is_of_volumes else "ZeroPad2d, or "
            return f"pads by other values than zeros; take {instead}the padding of a convolution"
        if isinstance(module, (nn.Softmax, nn.Softmax2d, nn.LogSoftmax)):
            return _NO_LOGITS
        return f"has no integer form here; supported are {supported()}"

    def emit(
        self,
        module: nn.Module,
        inputs: tuple[Any, ...],
        name: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> fx.Node:
        """A node that calls ``module`` under ``name``, or inserted (None, and where the name is called already).

        ``shape``: of its output; None: that of the operation which is translated.
        """
        for tensor in inputs:
            if not isinstance(tensor, fx.Node):
                refuse("joins the image's tensors with a constant; only multiplication and addition of constants do")
        if name is not None and name in self._used:
            is_learned = any(True for _ in module.parameters())
            module, name = copy.deepcopy(module), self._another(name) if is_learned else None
        if name is not None:
            self._used.add(name)
        result = self._result.call(module, inputs, name)
        result.meta["shape"] = shape or self.shape_made()
        return result

    def _another(self, name: str) -> str:
        """A name beside ``name``, of a further use of what is learned: from then on each use learns for itself."""
        number = 2
        while f"{name}_{number}" in self._used or f"{name}_{number}" in self._modules:
            number += 1
        return f"{name}_{number}"

    def own_name(self, leaf: str) -> str:
        """A name for what the forward that is translated makes of its module's own parameters: that of the module, or
        ``leaf`` in it where it holds others.
        """
        owner = self._trace.owner(self._node)
        if owner and not list(self._modules[owner].children()):
            return owner
        name = f"{owner}.{leaf}".lstrip(".")
        while name in self._modules:
            name += "_"
        return name

    @property
    def node(self) -> fx.Node:
        """The traced node that is translated."""
        return self._node

    def shape_made(self) -> tuple[int, ...]:
        """(1, C, H, W) that the operation which is translated gives for the trace's image; (1, C) is of one pixel."""
        shape = self._line_shape or tuple(self._trace.values[self._node].shape)
        return (*shape, *[1] * len(self._trace.image.shape[2:])) if len(shape) == 2 else shape

    def shape(self, tensor: fx.Node) -> tuple[int, ...]:
        """(1, C, H, W) of a node of the result for the trace's image."""
        return tensor.meta["shape"]

    def module(self, node: fx.Node) -> nn.Module | None:
        """What a node of the result calls."""
        return self._result.module(node)

    def divide(self, a: Any, b: Any, *, rounding_mode: str | None = None) -> fx.Node:
        if isinstance(b, fx.Node) or rounding_mode is not None:
            refuse("divides by an activation or rounds, which has no integer form here; only a constant divisor has")
        return self.affine(a, 1 / b, 0.0)

    def batch_norm(
        self,
        x: fx.Node,
        mean: Any,
        variance: Any,
        weight: Any = None,
        bias: Any = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> fx.Node:
        """A subclass of BatchNorm2d calls it in front of its activation; the statistics of any other module stay."""
        if training or mean is None:
            refuse(f"{_OF_EACH_IMAGE}; keep running ones, as BatchNorm2d does")
        owner = self._modules[self._trace.owner(self._node)]
        momentum = getattr(owner, "momentum", momentum)
        norm = Norm.of(mean, variance, weight, bias, eps, momentum)
        if isinstance(owner, (nn.BatchNorm2d, nn.BatchNorm3d)):
            return self.emit(norm, (x,), self.own_name("norm"))
        return self.emit(FrozenNorm(*affine_of(norm)), (x,))

    def affine(self, x: fx.Node, gain: Any, shift: Any) -> fx.Node:
        """``gain * x + shift``, each one number or one per channel."""
        channels = self.shape(x)[1]
        return self.emit(
            FrozenNorm(_per_channel(gain, channels), _per_channel(shift, channels)), (x,), shape=self.shape(x)
        )

    def clamp(self, x: fx.Node, min: Any = None, max: Any = None) -> fx.Node:
        if min == 0 and max is None:
            return self.emit(nn.ReLU(), (x,))
        if not (isinstance(min, (int, float)) and isinstance(max, (int, float))):
            refuse(f"clamps to {min} and {max}; two numbers, or 0 and none, lower")
        return self.emit(nn.Hardtanh(float(min), float(max)), (x,))

    def same(self, x: fx.Node, *_: Any, **__: Any) -> fx.Node:
        return x

    def _output(self, node: fx.Node) -> None:
        (logits,) = self._placed(node.args)
        if not isinstance(logits, fx.Node):
            kind = type(self._trace.values[node]).__name__.removeprefix("immutable_")
            raise ConfigError(f"the network's forward returns a {kind}; return the (B, classes, H, W) logits alone")
        size, wanted = self.shape(logits), tuple(self._trace.image.shape)
        if len(size) != len(wanted) or size[2:] != wanted[2:]:
            shown = "x".join(map(str, wanted[2:]))
            raise ConfigError(
                f"the network gives {'x'.join(map(str, size[1:]))} for an image of {shown}; logits have"
                " the image's size: pad convolutions by half of their kernel, and upsample as often as it is pooled"
            )
        self._result.graph.output(logits)


def _prelu(translator: Translator, x: fx.Node, weight: Any) -> NoReturn:
    del translator, x, weight
    refuse("is a PReLU with a weight of its own; write it as nn.PReLU")


_NAMES_OF_NUMPY = {"axis": "dim", "keepdims": "keepdim"}


_OF_EACH_IMAGE = "works out statistics of each image at inference, which do not lower"
_NO_LOGITS = (
    "has no integer form; where the network ends in it, leave it out: loss and mask take logits, and the index of the"
    " largest logit is that of the largest probability"
)


def _no_statistics(translator: Translator, x: fx.Node, *_: Any, **__: Any) -> NoReturn:
    del translator, x
    refuse(f"{_OF_EACH_IMAGE}; take BatchNorm2d")


def _no_logits(translator: Translator, x: fx.Node, *_: Any, **__: Any) -> NoReturn:
    del translator, x
    refuse(_NO_LOGITS)


def _attribute(translator: Translator, x: Any, name: str) -> Any:
    """``x.data`` is x; of a maximum over channels, which gives places, too, the values are taken."""
    del translator
    if isinstance(x, tuple) and name == "values":
        return x[0]
    return x if name == "data" else refuse(f"reads '{name}' of a tensor, which has no integer form here")


_T = Translator
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((torch.relu, torch.relu_, F.relu, F.relu_), activation_function(nn.ReLU)),
    F.relu6: activation_function(nn.ReLU6),
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), activation_function(nn.LeakyReLU)),
    **dict.fromkeys((F.hardtanh, F.hardtanh_), activation_function(nn.Hardtanh)),
    F.hardsigmoid: activation_function(nn.Hardsigmoid),
    **dict.fromkeys((F.prelu, torch.prelu), _prelu),
    F.batch_norm: _T.batch_norm,
    **dict.fromkeys((F.group_norm, F.instance_norm, F.layer_norm), _no_statistics),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, torch.divide), _T.divide),
    **dict.fromkeys((operator.neg, torch.neg, "neg"), lambda translator, x: translator.affine(x, -1.0, 0.0)),
    **dict.fromkeys((torch.clamp, torch.clip), _T.clamp),
    **dict.fromkeys((F.dropout, F.dropout2d, F.alpha_dropout, torch.dropout), _T.same),
    getattr: _attribute,
    **dict.fromkeys((F.softmax, torch.softmax, F.log_softmax, torch.log_softmax), _no_logits),
    torch.argmax: _no_logits,
    # methods
    **dict.fromkeys(("softmax", "log_softmax", "argmax"), _no_logits),
    **dict.fromkeys(("relu", "relu_"), activation_function(nn.ReLU)),
    **dict.fromkeys(("div", "div_", "divide"), _T.divide),
    **dict.fromkeys(("clamp", "clamp_", "clip"), _T.clamp),
    **dict.fromkeys(("float", "detach", torch.detach), _T.same),
}
_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, F.relu_, torch.relu_, F.leaky_relu_)


def _in_place(node: fx.Node) -> bool:
    """Whether ``node`` also changes its first input."""
    by_name = node.op == "call_method" and str(node.target).endswith("_")
    return by_name or node.target in _IN_PLACE or node.kwargs.get("inplace", False) is True


def _by_our_names(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a function of torch whose names are all of one kind: torch takes those of numpy, too."""
    named = {_NAMES_OF_NUMPY.get(name, name): value for name, value in named.items()}
    if "input" in named:
        arguments = (named.pop("input"), *arguments)
    return arguments, named


def _is_of_image(value: Any) -> bool:
    """Whether ``value`` is made of the image, or holds what is."""
    return (
        any(map(_is_of_image, value))
        if isinstance(value, (tuple, list))
        else isinstance(value, (fx.Node, Moved, JoinedLines))
    )


def _per_channel(value: Any, channels: int) -> torch.Tensor:
    """(C,) float32 of a number or of a constant that is the same at each pixel."""
    constant = torch.as_tensor(value, dtype=torch.float32)
    if constant.numel() == 1:
        return constant.reshape(1).repeat(channels)
    if constant.numel() != channels or tuple(constant.shape[-3:]) != (channels, 1, 1):
        refuse(f"takes a constant of shape {tuple(constant.shape)}; one number, or one per channel, lowers")
    return constant.reshape(channels).clone()


def _require_norm(norm: nn.BatchNorm2d | nn.BatchNorm3d) -> None:
    if norm.running_mean is None:
        refuse(
            f"is a {type(norm).__name__} with track_running_stats=False, which depends on the batch at inference; leave"
            " that out"
        )
