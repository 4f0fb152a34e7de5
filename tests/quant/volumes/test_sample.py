"""The three volumes that are shipped: what their README says of them."""

import calib_data
from board.intensity import Window
from quant.volumes.scans import load_scans


def test_the_sample_is_a_data_set_of_two_classes_split_by_patient():
    folder = calib_data.FOLDER / "hippocampus"
    train, val = (load_scans(folder, split, Window(), 3) for split in ("train", "val"))
    assert [tuple(scan.codes.shape[1:]) for scan in (*train, *val)] == [(34, 48, 32), (34, 49, 29), (32, 48, 34)]
    assert {scan.file.orientation for scan in (*train, *val)} == {"RAS"}
    assert {scan.file.spacing_mm for scan in (*train, *val)} == {(1.0, 1.0, 1.0)}
    counts = [[int((scan.truth == k).sum()) for k in (1, 2)] for scan in (*train, *val)]
    assert counts == [[1689, 1256], [1544, 1479], [1193, 1255]]  # as the release's labels have them
    assert all(scan.codes.float().std() > 20 for scan in (*train, *val))
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert total < 300_000
