"""A network as a graph whose nodes call modules, one each: what a twin is made from, and how it runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from quant.layers.fused import is_activation
from quant.layers.joined import is_norm, norm_and_activation
from quant.operators import operator_of
from quant.twin.activations import NEVER_NEGATIVE

_INSERTED = "inserted"


class ModuleGraph:
    """``graph``: a placeholder, then nodes that call modules of ``root`` by name, then the output.

    The children of ``network`` (taken over, not copied) keep their names, so that weights of one fit the other; further
    modules lie in the child ``inserted``. What has parameters and is not called goes when the graph is ``finish``ed.
    """

    def __init__(self, network: nn.Module) -> None:
        self.root = nn.Module()
        self.of_one_size = False  # whether it is the network for images of the size of ``image``'s shape alone
        for name, child in network.named_children():
            self.root.add_module(name, child)
        self.inserted = _INSERTED
        while hasattr(self.root, self.inserted):
            self.inserted += "_"
        self.root.add_module(self.inserted, nn.Module())
        self.graph = fx.Graph()
        self.graph.placeholder("image")

    @property
    def image(self) -> fx.Node:
        return next(iter(self.graph.nodes))

    @property
    def last(self) -> fx.Node:
        """The node whose value is the output."""
        return next(iter(self.graph.find_nodes(op="output"))).args[0]

    def call(self, module: nn.Module, inputs: tuple[fx.Node, ...], name: str | None = None) -> fx.Node:
        """A node after the last one that calls ``module``, which gets the name ``name`` (None: one of its own)."""
        node = self.graph.call_module(name or f"{self.inserted}.{type(module).__name__.lower()}", inputs)
        if name is None:
            node.target = f"{self.inserted}.{node.name.removeprefix(self.inserted + '_')}"
        self.place(str(node.target), module)
        return node

    def place(self, name: str, module: nn.Module) -> None:
        """Puts ``module`` under the dotted name ``name``."""
        parent, _, leaf = name.rpartition(".")
        setattr(self.root.get_submodule(parent), leaf, module)

    def module(self, node: fx.Node) -> nn.Module | None:
        """What ``node`` calls; None of the image and the output."""
        return self.root.get_submodule(str(node.target)) if node.op == "call_module" else None

    def finish(self) -> None:
        """Drops what is not called: parameters that take no part would stop training on several processes."""
        for node in reversed(list(self.graph.nodes)):
            if node.op == "call_module" and not node.users:
                self.graph.erase_node(node)
        called = {str(node.target) for node in self.graph.nodes if node.op == "call_module"}
        parts = {".".join(name.split(".")[:length]) for name in called for length in range(1, name.count(".") + 2)}
        self._drop_idle(self.root, "", called, parts)

    def _drop_idle(self, module: nn.Module, prefix: str, called: set[str], parts: set[str]) -> None:
        for leaf, child in list(module.named_children()):
            name = prefix + leaf
            if name in called:
                continue
            if name in parts or not any(True for _ in child.parameters()):
                if any(True for _ in child.parameters(recurse=False)):
                    child = _children_of(child)
                    setattr(module, leaf, child)
                self._drop_idle(child, f"{name}.", called, parts)
            else:
                delattr(module, leaf)


def _children_of(module: nn.Module) -> nn.Module:
    """What holds the children of ``module`` and nothing else of it."""
    holder = nn.Module()
    for leaf, child in module.named_children():
        holder.add_module(leaf, child)
    return holder


def never_negative(graph: ModuleGraph, node: fx.Node) -> bool:
    """Whether the value of ``node`` is never negative: the image, a ReLU, or what is made of such alone."""
    operator = operator_of(graph.module(node))
    if operator is not None and operator.keeps_sign and not operator.is_filters:
        return all(never_negative(graph, source) for source in operator.reads(node))
    return node is graph.image or isinstance(graph.module(node), NEVER_NEGATIVE)


def run_graph(graph: fx.Graph, root: nn.Module, image: Any) -> torch.Tensor:
    """What ``graph`` gives for ``image`` with the modules of ``root``; tensors go with their last reader."""
    values: dict[fx.Node, Any] = {}
    readers = {node: len(node.users) for node in graph.nodes}
    for node in graph.nodes:
        if node.op == "output":
            break
        module, inputs = _called(root, node), (values[source] for source in node.args)
        reader = next(iter(node.users)) if len(node.users) == 1 else None
        activation = _called(root, reader)
        if module is None:
            values[node] = image
        elif reader and is_norm(module) and is_activation(activation):
            values[node] = None
            values[reader] = norm_and_activation(module, activation, *inputs)
        elif node not in values:
            values[node] = module(*inputs)
        for source in node.all_input_nodes:
            readers[source] -= 1
            if not readers[source]:
                del values[source]
    return values[node.args[0]]


def _called(root: nn.Module, node: fx.Node | None) -> nn.Module | None:
    return root.get_submodule(str(node.target)) if node is not None and node.op == "call_module" else None
