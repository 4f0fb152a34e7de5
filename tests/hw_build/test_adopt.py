"""``python -m hw_build adopt``: foreign files become exports that a build takes, exact from end to end."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from hw_build.base.export import read_export
from hw_build.base.image import read_image
from hw_build.cli import main as cli
from tests.hw_build import exports, onnx_oracle, synthetic


def network(channels=3, size=(16, 16), *, factor=1.0, pools=0):
    """image -> conv -> conv -> head without bias; ``factor`` is of all scales but the image's."""
    net = synthetic.Net(seed=4)
    current = net.conv_bn(net.image(channels), 4, 3, "stem", bits=8)
    for number in range(pools):
        current = net.pool(current, f"low{number}")
    current = net.conv_bn(current, 4, 3, "more")
    for number in range(pools):
        current = net.upsample(current, f"up{number}")
    net.head(current)
    del net.nodes[-1].input[2]
    model = net.model("logits", *size)
    for name in ("stem_act_s", "more_act_s", "head_w_s"):
        model.set_initializer(name, (model.get_initializer(name) * factor).astype(np.float32))
    return model


def adopted(tmp_path, model, *options):
    path = tmp_path / "foreign.onnx"
    model.save(str(path))
    assert cli.main(["adopt", str(path), "--out", str(tmp_path / "export"), *options]) == 0
    return read_export(tmp_path / "export")


def refused(capsys, arguments):
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def build(tmp_path, *options):
    arguments = ["build", "--export", tmp_path / "export", "--board", "pynq-z2", "--out", tmp_path / "out", *options]
    return [str(argument) for argument in arguments]


def test_golden_logits_are_those_of_the_file(tmp_path):
    model = network()
    export = adopted(tmp_path, model, "--count", "3")
    assert export.codes.shape == (3, 16, 16, 3) and export.names == ("random_0", "random_1", "random_2")
    step = export.manifest["output"]["logit_scale"]
    for codes, logits in zip(export.codes, export.logits, strict=True):
        np.testing.assert_array_equal(logits * step, onnx_oracle.output_of(model.model, codes[None]))
    assert export.manifest["verification"]["largest_rounding_in_steps"] == 0
    np.testing.assert_array_equal(export.masks, export.logits[..., 0] > 0)


def test_one_channel_is_exact_from_end_to_end(tmp_path):
    adopted(tmp_path, network(channels=1))
    assert cli.main(build(tmp_path)) == 0
    assert json.loads((tmp_path / "out" / "io_spec.json").read_text())["channels"] == 1


def test_float_scales_build_and_the_report_says_how_far_float_logits_are_off(tmp_path):
    export = adopted(tmp_path, network(factor=1.0937))
    rounding = export.manifest["verification"]["largest_rounding_in_steps"]
    assert 0 < rounding < 0.01
    assert cli.main(build(tmp_path, "--stop-after", "stitch")) == 0
    report = (tmp_path / "out" / "report.json").read_text()
    assert f"qonnx' float execution to {rounding:.2g} of a step" in report


def test_batch_and_names_of_tensors_do_not_matter(tmp_path):
    model = network()
    for value in (model.graph.input[0], model.graph.output[0]):
        sizes = [4, *(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])]
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, sizes))
    del model.graph.value_info[:]
    adopted(tmp_path, model)
    assert cli.main(build(tmp_path, "--stop-after", "stitch")) == 0


def test_a_folder_of_something_else_is_not_replaced(tmp_path, capsys):
    letters = tmp_path / "letters"
    letters.mkdir()
    (letters / "letter.txt").write_text("kept")
    (letters / "manifest.json").write_text("{}")
    model = tmp_path / "any.onnx"
    network().save(str(model))
    sentence = refused(capsys, ["adopt", str(model), "--out", str(letters)])
    assert "holds other files than an export's, as 'letter.txt', which would be lost; give another folder" in sentence
    assert (letters / "letter.txt").read_text() == "kept"


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_a_folder(tmp_path, channels):
    folder = tmp_path / "images"
    folder.mkdir()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    for name, picture in zip("ba", pictures, strict=True):
        exports.save_image(folder / f"{name}.PNG", picture)
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.png").write_text("no image either")
    export = adopted(tmp_path, network(channels=channels), "--images", str(folder))
    assert export.names == ("a", "b")
    with Image.open(folder / "a.PNG") as picture:
        scaled = picture.convert("L" if channels == 1 else "RGB").resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(export.codes[0], np.asarray(scaled).reshape(16, 16, channels))


def test_too_few_images(tmp_path, capsys):
    network().save(str(tmp_path / "foreign.onnx"))
    line = refused(capsys, ["adopt", tmp_path / "foreign.onnx", "--out", tmp_path / "export", "--images", tmp_path])
    assert "holds 0 images (.png, .jpg" in line and "--count asks for 2" in line
    line = refused(capsys, ["adopt", tmp_path / "foreign.onnx", "--out", tmp_path / "e", "--images", tmp_path / "none"])
    assert "none' cannot be read (No such file or directory)" in line
    line = refused(capsys, ["adopt", tmp_path / "foreign.onnx", "--out", tmp_path / "e", "--count", "0"])
    assert "--count must be 1 to 10000, got 0" in line
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("name", ["n" * 101, "a\tb"])
def test_a_file_name_that_a_build_would_refuse_is_told_at_once(tmp_path, capsys, name):
    path = tmp_path / f"{name}.onnx"
    network().save(str(path))
    line = refused(capsys, ["adopt", path, "--out", tmp_path / "export"])
    assert "the file names the network: a name is 1 to 100 printable characters, got" in line and "rename it" in line
    assert not (tmp_path / "export").exists()


def test_images_for_a_network_that_takes_none(tmp_path, capsys):
    exports.save_image(tmp_path / "a.png", np.zeros((16, 16, 3), np.uint8))
    network(channels=5).save(str(tmp_path / "foreign.onnx"))
    arguments = ["adopt", tmp_path / "foreign.onnx", "--out", tmp_path / "e", "--images", tmp_path, "--count", "1"]
    assert "has 1, 3 or 4 channels, the network takes 5; give an array" in refused(capsys, arguments)


def test_what_does_not_lower_is_refused_as_check_does(tmp_path, capsys):
    model = network()
    next(node for node in model.graph.node if node.name == "n_more_relu").op_type = "LogSoftmax"
    model.save(str(tmp_path / "foreign.onnx"))
    line = refused(capsys, ["adopt", tmp_path / "foreign.onnx", "--out", tmp_path / "export"])
    assert line.startswith("error: node n_more_relu (LogSoftmax)")
    assert not (tmp_path / "export").exists()


def test_a_build_of_a_size_that_poolings_do_not_divide_says_what_does(tmp_path, capsys):
    """Its logits are smaller than its image: no golden data fit, and the network is why."""
    adopted(tmp_path, network())
    model = network(size=(18, 16), pools=2)
    for node in model.graph.node:
        node.op_type = {"MaxPool": "AveragePool"}.get(node.op_type, node.op_type)
    model.save(str(tmp_path / "export" / "model.qonnx"))
    digest = exports.hashlib.sha256((tmp_path / "export" / "model.qonnx").read_bytes()).hexdigest()
    exports.change_golden(
        tmp_path / "export",
        codes=lambda old: np.zeros((2, 18, 16, 3), np.uint8),
        model_sha256=lambda old: np.array(digest),
    )
    manifest = tmp_path / "export" / "manifest.json"
    record = json.loads(manifest.read_text())
    record["input"]["height"] = 18
    manifest.write_text(json.dumps(record | {"model_sha256": digest}))
    line = refused(capsys, build(tmp_path))
    assert "has logits of 16x16" in line
    assert "export the network for a size that its poolings divide" in line


def test_a_grey_image_of_a_demo_stays_one_channel(tmp_path):
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    exports.save_image(tmp_path / "grey.png", picture)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", (16, 16), 1)[..., 0], picture)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", (16, 16))[..., 2], picture)


@pytest.mark.parametrize("quantized", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_file_that_does_not_quantize_its_image_first_says_what_a_code_is_worth(tmp_path, capsys, quantized):
    """Of signed codes the first convolution reads those; without a quantizer it reads the image."""
    net = synthetic.Net(seed=4)
    net.channels["image"], net.scales["image"] = 3, 2.0**-8
    image = net.quant("image", 2.0**-4, bits=4, signed=1) if quantized else "image"
    model = net.model(net.head(net.conv_bn(image, 4, 3, "stem", bits=8)), 16, 16)
    path = tmp_path / "foreign.onnx"
    model.save(str(path))
    told = refused(capsys, ["adopt", path, "--out", tmp_path / "export"])
    assert "--input-scale" in told
    assert cli.main(["check", str(path), "--input-scale", "1/256"]) == 0
    export = adopted(tmp_path, model, "--input-scale", "1/256")
    step = export.manifest["output"]["logit_scale"]
    assert export.manifest["input"]["scale"] == 2.0**-8
    for codes, logits in zip(export.codes, export.logits, strict=True):
        np.testing.assert_array_equal(logits * step, onnx_oracle.output_of(model.model, codes[None]))
    assert cli.main(build(tmp_path, "--stop-after", "stitch")) == 0


@pytest.mark.parametrize("worth", ["0", "-1/2", "1/0", "many", "nan"])
def test_what_a_code_is_worth_is_a_positive_number(tmp_path, capsys, worth):
    told = refused(capsys, ["check", tmp_path / "none.onnx", f"--input-scale={worth}"])
    assert told.endswith(f"--input-scale must be a positive number, as 1/255 or 0.25, got '{worth}'")
