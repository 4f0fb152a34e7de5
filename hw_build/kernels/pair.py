"""Kernels of two streams of the same shape, a result for each pair of elements."""

from __future__ import annotations

from qonnx.core.datatype import BaseDataType, DataType

from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel


class PairKernel(StreamKernel):
    """Inputs a, b (1,H,W,C), of a data type each; output (1,H,W,C) in outputDataType."""

    def get_nodeattr_types(self):
        """Data types of the second input and of the output."""
        return super().get_nodeattr_types() | {"inputDataType2": ("s", True, ""), "outputDataType": ("s", True, "")}

    def stream_inputs(self) -> range:
        """Both inputs are streams."""
        return range(2)

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of a or b."""
        return DataType[self.get_nodeattr("inputDataType2" if ind else "inputDataType")]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the output."""
        return DataType[self.get_nodeattr("outputDataType")]

    def infer_node_datatype(self, model) -> None:
        """Take both input types from the graph, annotate the output."""
        self.set_nodeattr("inputDataType2", model.get_tensor_datatype(self.onnx_node.input[1]).name)
        super().infer_node_datatype(model)

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])
