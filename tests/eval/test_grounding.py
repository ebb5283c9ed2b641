"""ScreenSpot v1, v2 and Pro in the forms in which they are published, and what is told about broken ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lapis.eval import grounding
from lapis.types import InputError
from tests.eval.scripted import Scripted, Silent, picture

V1 = {
    "img_filename": "pc_1.png",
    "bbox": [20, 10, 40, 30],
    "instruction": "close this window",
    "data_type": "icon",
    "data_source": "windows",
}
PRO = {
    "img_filename": "vscode_mac/shot_1.png",
    "bbox": [100, 50, 140, 70],
    "img_size": [200, 100],
    "instruction": "open the terminal",
    "instruction_cn": "打开终端",
    "id": "vscode_macos_0",
    "application": "vscode",
    "platform": "macos",
    "ui_type": "text",
    "group": "Dev",
}


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def draw(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(0x4080C0, width, height).data)


def make_v1(folder: Path, version: str = "") -> None:
    """Three files, pictures in the archive's own folder."""
    pictures = folder / ("screenspotv2_image" if version else "screenspot_imgs")
    draw(pictures / "pc_1.png", 200, 100)
    draw(pictures / "mobile_1.png", 100, 200)
    draw(pictures / "web_1.png", 300, 150)
    mobile = V1 | {"img_filename": "mobile_1.png", "data_source": "ios", "data_type": "text", "bbox": [0, 100, 100, 50]}
    web = V1 | {"img_filename": "web_1.png", "data_source": "gitlab"}
    put(folder / f"screenspot_desktop{version}.json", [V1])
    put(folder / f"screenspot_mobile{version}.json", [mobile])
    put(folder / f"screenspot_web{version}.json", [web])


def make_pro(folder: Path) -> None:
    draw(folder / "images" / "vscode_mac" / "shot_1.png", 200, 100)
    put(folder / "annotations" / "vscode_macos.json", [PRO, PRO | {"ui_type": "icon", "bbox": [0, 0, 10, 10]}])


def test_v1_boxes_are_corner_and_size(tmp_path: Path) -> None:
    make_v1(tmp_path)
    found = grounding.read(tmp_path)
    assert [*found] == ["screenspot"]
    first = next(iter(grounding.samples(found["screenspot"])))
    assert first.meta["box"] == [100, 100, 200, 300]
    assert first.meta["type"] == "icon" and first.meta["platform"] == "desktop"
    assert "close this window" in first.turns[0].text and first.images[0].width == 200


def test_v2_is_told_by_its_file_names(tmp_path: Path) -> None:
    make_v1(tmp_path, "_v2")
    assert {name: len(targets) for name, targets in grounding.read(tmp_path).items()} == {"screenspot_v2": 3}


def test_pro_boxes_are_two_corners(tmp_path: Path) -> None:
    make_pro(tmp_path)
    sample = next(iter(grounding.samples(grounding.read(tmp_path)["screenspot_pro"])))
    assert sample.meta["box"] == [500, 500, 200, 200]
    assert sample.meta["group"] == "Dev" and sample.meta["application"] == "vscode"


def test_all_three_in_one_folder_by_type_and_platform(tmp_path: Path) -> None:
    make_v1(tmp_path / "v1")
    make_v1(tmp_path / "v2", "_v2")
    make_pro(tmp_path / "pro")
    put(tmp_path / "notes.json", {"not": "annotations"})
    progress = Silent()
    results, records = grounding.evaluate(Scripted(lambda ask: ("(600,600)", "")), tmp_path, 32, progress)
    assert progress.steps == len(records) == 8
    assert {name: (entry["value"], entry["n"]) for name, entry in results.items()} == {
        "screenspot": (pytest.approx(1 / 3), 3),
        "screenspot_v2": (pytest.approx(1 / 3), 3),
        "screenspot_pro": (0.5, 2),
    }
    assert results["screenspot"]["groups"]["platform"]["mobile"]["value"] == 1
    assert results["screenspot"]["groups"]["type"]["icon"]["n"] == 2
    assert results["screenspot_pro"]["groups"]["type"]["text"]["value"] == 1


def test_the_edge_of_a_box_is_in_it(tmp_path: Path) -> None:
    make_pro(tmp_path)
    for point, value in (("(500,500)", 0.5), ("(700,700)", 0.5), ("(499,500)", 0.0), ("(701,700)", 0.0)):
        results, _ = grounding.evaluate(Scripted(lambda ask, point=point: (point, "")), tmp_path, 32, Silent())
        assert results["screenspot_pro"]["value"] == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [1, 2, 3]}, r"entry 0: bbox: expected four numbers \(x, y, width, height"),
        ({"bbox": [1, 2, "3", 4]}, "entry 0: bbox: expected four numbers"),
        ({"bbox": [10, 10, 0, 5]}, "entry 0: bbox: .* has no area"),
        ({"bbox": [190, 10, 40, 30]}, "entry 0: bbox: .* outside the picture, 200 x 100"),
        ({"instruction": None}, "entry 0: instruction: expected text, got None"),
        ({"data_source": 3}, "entry 0: data_source: expected text, got 3"),
        ({"img_filename": "gone.png"}, "entry 0: img_filename: no picture gone.png"),
    ],
)
def test_a_broken_field_is_named_with_its_file(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    draw(tmp_path / "pc_1.png", 200, 100)
    put(tmp_path / "screenspot_desktop.json", [V1 | change])
    with pytest.raises(InputError) as caught:
        grounding.evaluate(Scripted(lambda ask: ("(1,1)", "")), tmp_path, 32, Silent())
    assert re.search(r"screenspot_desktop\.json: " + message, str(caught.value)) and "\n" not in str(caught.value)


def test_pro_corners_in_the_wrong_order(tmp_path: Path) -> None:
    make_pro(tmp_path)
    put(tmp_path / "annotations" / "vscode_macos.json", [PRO | {"bbox": [140, 50, 100, 70]}])
    with pytest.raises(InputError, match="no area as left, top, right, bottom"):
        grounding.read(tmp_path)


def test_broken_files_and_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no ScreenSpot annotations"):
        grounding.read(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        grounding.read(tmp_path / "absent")
    (tmp_path / "a.json").write_text('[{"img_file')
    with pytest.raises(InputError, match=r"a\.json: not JSON"):
        grounding.read(tmp_path)
    (tmp_path / "pc_1.png").write_bytes(b"no picture")
    put(tmp_path / "a.json", [V1])
    with pytest.raises(InputError, match=r"pc_1\.png: not a picture"):
        list(grounding.samples(grounding.read(tmp_path)["screenspot"]))
    put(tmp_path / "a.json", [V1, 7])
    with pytest.raises(InputError, match=r"a\.json: entry 1: expected an object, got int"):
        grounding.read(tmp_path)
