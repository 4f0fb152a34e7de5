"""Networks as people write them, as graphs of modules: functions and operators become modules, each used once.

``F.relu(x)``, ``x + y``, ``torch.cat``, ``F.interpolate`` and the like get modules of their own, because a module can
be given a quantizer; one ReLU used twice becomes two. Dropout and Identity, which do nothing at inference, are left
out. Sizes that forward works out from shapes are taken as they are for one image. Whatever is not in the tables here
is refused with a sentence.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import fx, nn
from torch.nn import functional as F

from models.layers import Concat, Sum, Upsample2x
from quant.activations import ACTIVATIONS
from quant.errors import ConfigError
from quant.frozen_norm import FrozenNorm
from quant.module_graph import ModuleGraph
from quant.trace import Trace

SUPPORTED = (
    "Conv2d of stride 1, BatchNorm2d, ReLU and other activations, sums, concatenations, MaxPool2d(2), bilinear"
    " upsampling by 2, multiplication and addition of constants, Dropout and Identity"
)
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_OWN_STATE = (nn.Conv2d, nn.BatchNorm2d, nn.PReLU)  # used twice they would share what is learned


class _Unsupported(Exception):
    """Why an operation is not taken; becomes the end of a sentence that begins with its place."""


def as_modules(network: nn.Module, in_channels: int | None = None) -> ModuleGraph:
    """``network``, which is left alone, as a graph of modules in evaluation mode; see the head of this file.

    ``in_channels``: of its image; None: as many as its first convolution reads.

    Each node has in ``meta`` the ``shape`` (1, C, H, W) of its output for the trace's image and, where a node of the
    trace gives the same values, its name: ``origin``.

    Raises:
        ConfigError: something in it has no integer form here; the sentence names it.
    """
    network = copy.deepcopy(network).eval()
    _require_finite(network)
    return _Translator(network, Trace(network, in_channels)).run()


def _require_finite(network: nn.Module) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ConfigError(f"'{name}' of the network holds NaN or infinity; train it again, or from other weights")


class _Translator:
    def __init__(self, network: nn.Module, trace: Trace) -> None:
        self._modules = dict(network.named_modules())
        self._trace = trace
        self._result = ModuleGraph(network)
        self._env: dict[fx.Node, Any] = {}
        self._used: set[str] = set()
        self._node: fx.Node | None = None

    def run(self) -> ModuleGraph:
        for node in self._trace.graph.nodes:
            self._node = node
            try:
                found = self._env[node] = self._translate(node)
            except _Unsupported as reason:
                raise ConfigError(f"{self._trace.where(node)} {reason}") from None
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
                _refuse("is a second input, but a network takes one image")
            return value
        if node.op == "output":
            return self._output(node)
        reads_image = any(isinstance(self._env[source], fx.Node) for source in node.all_input_nodes)
        if reads_image and isinstance(value, (tuple, list)) and any(isinstance(part, torch.Tensor) for part in value):
            _refuse(f"gives several tensors, which has no integer form here; supported are {SUPPORTED}")
        if not isinstance(value, torch.Tensor) or not reads_image:
            return value
        arguments = fx.map_arg(node.args, self._env.__getitem__)
        named = fx.map_arg(node.kwargs, self._env.__getitem__)
        if node.op == "call_module":
            return self._module(node, self._modules[str(node.target)], arguments)
        handler = METHODS.get(node.target) if node.op == "call_method" else FUNCTIONS.get(node.target)
        if handler is None:
            _refuse(f"is an operation that has no integer form here; supported are {SUPPORTED}")
        try:
            result = handler(self, *arguments, **named)
        except TypeError as error:
            _refuse(f"is called in a way that is not known here ({error}); write it as a module of torch.nn")
        if _in_place(node):
            self._env[node.all_input_nodes[0]] = result
        return result

    def _module(self, node: fx.Node, module: nn.Module, arguments: tuple[Any, ...]) -> fx.Node:
        name = str(node.target)
        if isinstance(module, _NOTHING):
            return arguments[0]
        if isinstance(module, nn.Upsample):
            return self.interpolate(arguments[0], mode=module.mode, align_corners=module.align_corners, name=name)
        if isinstance(module, nn.MaxPool2d):
            settings = (module.kernel_size, module.stride, module.padding, module.dilation)
            return self.pool(arguments[0], *settings, module.ceil_mode, module.return_indices, name=name)
        if isinstance(module, Sum):
            return self.add(*arguments, name=name)
        if isinstance(module, Concat):
            return self.concatenate(arguments, name=name)
        if isinstance(module, nn.Conv2d):
            _require_convolution(module)
        elif isinstance(module, nn.BatchNorm2d):
            _require_norm(module)
        elif not isinstance(module, ACTIVATIONS):
            _refuse(f"is a {type(module).__name__}, which {_hint(module)}")
        result = self.emit(module, arguments, name)
        if getattr(module, "inplace", False):
            module.inplace = False
            self._env[node.all_input_nodes[0]] = result
        return result

    def emit(self, module: nn.Module, inputs: tuple[Any, ...], name: str | None = None) -> fx.Node:
        """A node that calls ``module`` under ``name``, or inserted (None, and where the name is called already)."""
        for tensor in inputs:
            if not isinstance(tensor, fx.Node):
                _refuse("joins the image's tensors with a constant; only multiplication and addition of constants do")
        if name is not None and name in self._used:
            if isinstance(module, _OWN_STATE):
                _refuse(f"is used twice, sharing its weights; give each use a {type(module).__name__} of its own")
            module, name = copy.deepcopy(module), None
        if name is not None:
            self._used.add(name)
        result = self._result.call(module, inputs, name)
        result.meta["shape"] = tuple(self._trace.values[self._node].shape)
        return result

    def shape(self, tensor: fx.Node) -> tuple[int, ...]:
        """(1, C, H, W) of a node of the result for the trace's image."""
        return tensor.meta["shape"]

    def add(self, a: Any, b: Any, *, alpha: float = 1, name: str | None = None) -> fx.Node:
        if not (isinstance(a, fx.Node) and isinstance(b, fx.Node)):
            return self.affine(a, 1.0, alpha * b) if isinstance(a, fx.Node) else self.affine(b, alpha, a)
        if alpha != 1:
            _refuse(f"adds with alpha={alpha}; multiply by it before")
        if a is b:
            return self.affine(a, 2.0, 0.0)
        if self.shape(a) != self.shape(b):
            sizes = " and ".join("x".join(map(str, self.shape(tensor)[1:])) for tensor in (a, b))
            _refuse(f"adds tensors of {sizes}; both must have the same channels and size")
        return self.emit(Sum(), (a, b), name)

    def subtract(self, a: Any, b: Any, *, alpha: float = 1) -> fx.Node:
        if isinstance(a, fx.Node) and isinstance(b, fx.Node):
            return self.add(a, self.affine(b, -alpha, 0.0))
        return self.affine(a, 1.0, -alpha * b) if isinstance(a, fx.Node) else self.affine(b, -alpha, a)

    def multiply(self, a: Any, b: Any) -> fx.Node:
        if isinstance(a, fx.Node) and isinstance(b, fx.Node):
            _refuse("multiplies two activations, which has no integer form here; only a constant factor has")
        return self.affine(a, b, 0.0) if isinstance(a, fx.Node) else self.affine(b, a, 0.0)

    def divide(self, a: Any, b: Any, *, rounding_mode: str | None = None) -> fx.Node:
        if isinstance(b, fx.Node) or rounding_mode is not None:
            _refuse("divides by an activation or rounds, which has no integer form here; only a constant divisor has")
        return self.affine(a, 1 / b, 0.0)

    def affine(self, x: fx.Node, gain: Any, shift: Any) -> fx.Node:
        channels = self.shape(x)[1]
        return self.emit(FrozenNorm(_per_channel(gain, channels), _per_channel(shift, channels)), (x,))

    def concatenate(self, tensors: Any, dim: int = 0, *, name: str | None = None) -> fx.Node:
        if name is None and dim not in (1, -3):
            _refuse(f"concatenates along dimension {dim}; only channels (dimension 1) are joined")
        tensors = tuple(tensors)
        tensors = tuple(self.affine(x, 1.0, 0.0) if x in tensors[:index] else x for index, x in enumerate(tensors))
        return self.emit(Concat(), tensors, name) if len(tensors) > 1 else tensors[0]

    def pool(
        self,
        x: fx.Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        *,
        name: str | None = None,
    ) -> fx.Node:
        settings = {
            "kernel_size": kernel_size,
            "stride": stride or kernel_size,
            "padding": padding,
            "dilation": dilation,
        }
        for setting, wanted in {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1}.items():
            if _pair(settings[setting]) != (wanted, wanted):
                _refuse(f"is a max-pool with {setting}={settings[setting]}; only MaxPool2d(2) lowers so far")
        if ceil_mode or return_indices:
            _refuse("is a max-pool with ceil_mode or return_indices; only MaxPool2d(2) lowers so far")
        return self.emit(nn.MaxPool2d(2), (x,), name)

    def interpolate(
        self,
        x: fx.Node,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
        *,
        name: str | None = None,
    ) -> fx.Node:
        before, after = self.shape(x), tuple(self._trace.values[self._node].shape)
        if after == before:
            return x
        factor = (after[2] / before[2], after[3] / before[3])
        if mode != "bilinear" or align_corners or antialias or factor != (2, 2):
            corners = ", align_corners=True" if align_corners else ""
            _refuse(
                f"upsamples by {factor[0]:g}x{factor[1]:g}, mode='{mode}'{corners}; only by 2, mode='bilinear',"
                " align_corners=False lowers so far"
            )
        return self.emit(Upsample2x(), (x,), name)

    def pad(self, x: fx.Node, pad: Any, mode: str = "constant", value: Any = None) -> fx.Node:
        if any(pad):
            _refuse(f"pads by {tuple(pad)}, which does not lower by itself; give the convolution its padding")
        return x

    def clamp(self, x: fx.Node, min: Any = None, max: Any = None) -> fx.Node:
        if min == 0 and max is None:
            return self.emit(nn.ReLU(), (x,))
        if not (isinstance(min, (int, float)) and isinstance(max, (int, float))):
            _refuse(f"clamps to {min} and {max}; two numbers, or 0 and none, lower")
        return self.emit(nn.Hardtanh(float(min), float(max)), (x,))

    def same(self, x: fx.Node, *_: Any, **__: Any) -> fx.Node:
        return x

    def _output(self, node: fx.Node) -> None:
        (logits,) = fx.map_arg(node.args, self._env.__getitem__)
        if not isinstance(logits, fx.Node):
            kind = type(self._trace.values[node]).__name__.removeprefix("immutable_")
            raise ConfigError(f"the network's forward returns a {kind}; return the (B, classes, H, W) logits alone")
        size, wanted = self.shape(logits), tuple(self._trace.image.shape)
        if len(size) != 4 or size[2:] != wanted[2:]:
            raise ConfigError(
                f"the network gives {'x'.join(map(str, size[1:]))} for an image of {wanted[2]}x{wanted[3]}; logits have"
                " the image's size: pad convolutions by half of their kernel, and upsample as often as it is pooled"
            )
        self._result.graph.output(logits)


def _activation(make: Callable[..., nn.Module]) -> Callable[..., fx.Node]:
    """What a function of torch with the arguments of the module ``make`` becomes."""

    def handler(translator: _Translator, x: fx.Node, *arguments: Any, inplace: bool = False, **named: Any) -> fx.Node:
        del inplace
        return translator.emit(make(*arguments, **named), (x,))

    return handler


def _prelu(translator: _Translator, x: fx.Node, weight: Any) -> NoReturn:
    _refuse("is a PReLU with a weight of its own; write it as nn.PReLU")


_T = _Translator
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((torch.relu, torch.relu_, F.relu, F.relu_), _activation(nn.ReLU)),
    F.relu6: _activation(nn.ReLU6),
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), _activation(nn.LeakyReLU)),
    **dict.fromkeys((F.hardtanh, F.hardtanh_), _activation(nn.Hardtanh)),
    F.hardsigmoid: _activation(nn.Hardsigmoid),
    **dict.fromkeys((F.prelu, torch.prelu), _prelu),
    **dict.fromkeys((F.elu, F.elu_), _activation(nn.ELU)),
    **dict.fromkeys((F.celu, torch.celu), _activation(nn.CELU)),
    **dict.fromkeys((F.selu, torch.selu), _activation(nn.SELU)),
    **dict.fromkeys((torch.sigmoid, F.sigmoid), _activation(nn.Sigmoid)),
    **dict.fromkeys((torch.tanh, F.tanh), _activation(nn.Tanh)),
    F.softplus: _activation(nn.Softplus),
    F.gelu: _activation(nn.GELU),
    F.silu: _activation(nn.SiLU),
    F.mish: _activation(nn.Mish),
    F.hardswish: _activation(nn.Hardswish),
    **dict.fromkeys((operator.add, operator.iadd, torch.add), _T.add),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, torch.subtract), _T.subtract),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, torch.multiply), _T.multiply),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, torch.divide), _T.divide),
    **dict.fromkeys((operator.neg, torch.neg), lambda translator, x: translator.affine(x, -1.0, 0.0)),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _T.concatenate),
    F.interpolate: _T.interpolate,
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), _T.pool),
    F.pad: _T.pad,
    **dict.fromkeys((torch.clamp, torch.clip), _T.clamp),
    **dict.fromkeys((F.dropout, F.dropout2d, F.alpha_dropout, torch.dropout, torch.clone), _T.same),
}
METHODS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("relu", "relu_"), _activation(nn.ReLU)),
    **dict.fromkeys(("sigmoid", "sigmoid_"), _activation(nn.Sigmoid)),
    **dict.fromkeys(("tanh", "tanh_"), _activation(nn.Tanh)),
    **dict.fromkeys(("add", "add_"), _T.add),
    **dict.fromkeys(("sub", "sub_", "subtract"), _T.subtract),
    **dict.fromkeys(("mul", "mul_", "multiply"), _T.multiply),
    **dict.fromkeys(("div", "div_", "divide"), _T.divide),
    "neg": FUNCTIONS[torch.neg],
    **dict.fromkeys(("clamp", "clamp_", "clip"), _T.clamp),
    **dict.fromkeys(("contiguous", "clone", "float"), _T.same),
}
_IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, F.relu_, torch.relu_, F.leaky_relu_)


def _in_place(node: fx.Node) -> bool:
    """Whether ``node`` also changes its first input."""
    by_name = node.op == "call_method" and str(node.target).endswith("_")
    return by_name or node.target in _IN_PLACE or node.kwargs.get("inplace", False) is True


def _refuse(reason: str) -> NoReturn:
    raise _Unsupported(reason)


def _pair(value: Any) -> tuple[Any, Any]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _per_channel(value: Any, channels: int) -> torch.Tensor:
    """(C,) float32 of a number or of a constant that is the same at each pixel."""
    constant = torch.as_tensor(value, dtype=torch.float32)
    if constant.numel() == 1:
        return constant.reshape(1).repeat(channels)
    if constant.numel() != channels or tuple(constant.shape[-3:]) != (channels, 1, 1):
        _refuse(f"takes a constant of shape {tuple(constant.shape)}; one number, or one per channel, lowers")
    return constant.reshape(channels).clone()


def _require_convolution(conv: nn.Conv2d) -> None:
    """Refuses attributes that have no integer form; a padding given as a word becomes numbers."""
    if conv.padding_mode != "zeros":
        _refuse(f"has padding_mode='{conv.padding_mode}'; only 'zeros' lowers: a border is code 0")
    if conv.stride != (1, 1):
        _refuse(f"has stride {conv.stride}; only stride 1 lowers so far: reduce with MaxPool2d(2)")
    if isinstance(conv.padding, str):
        total = [step * (size - 1) for step, size in zip(conv.dilation, conv.kernel_size, strict=True)]
        if conv.padding == "valid":
            total = [0, 0]
        if any(size % 2 for size in total):
            _refuse(
                f"has padding='{conv.padding}' with kernel {conv.kernel_size}, more on one side; take an odd kernel"
            )
        conv.padding = tuple(size // 2 for size in total)
        conv._reversed_padding_repeated_twice = [size for size in conv.padding[::-1] for _ in range(2)]


def _require_norm(norm: nn.BatchNorm2d) -> None:
    if norm.running_mean is None:
        _refuse(
            "is a BatchNorm2d with track_running_stats=False, which depends on the batch at inference; leave that out"
        )


def _hint(module: nn.Module) -> str:
    """The end of the sentence on a module that is in no table."""
    if isinstance(module, (nn.ConvTranspose2d, nn.PixelShuffle, nn.UpsamplingNearest2d)):
        return "does not lower so far; upsample with Upsample(scale_factor=2, mode='bilinear') and a convolution"
    if isinstance(module, (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
        return "does not lower so far; reduce with MaxPool2d(2)"
    if isinstance(module, (nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)):
        return "works out statistics of each image at inference, which do not lower; take BatchNorm2d"
    return f"has no integer form here; supported are {SUPPORTED}"
