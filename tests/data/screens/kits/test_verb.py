"""`lapis data screens` as a user runs it, and the page on which its labels are checked by hand."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis import cli
from lapis.data import store
from lapis.data.check import checks
from lapis.data.screens.kits import check, make
from lapis.data.screens.kits.shots import Shot
from lapis.data.sources.base import Broken
from lapis.data_config.screens import Screens
from lapis.types import InputError, Text, Turn
from tests.conftest import here, lapis
from tests.data.screens.kits.tabs import browser

__all__ = ["browser"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("screens") / "out"
    done = lapis(*words(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: ") and " samples" in done.stdout
    return out


def words(out: Path) -> tuple[str, ...]:
    return "data", "screens", "kits=plain", "devices=phone", "workers=1", f"out={out}", "count=2", "views=2"


def test_samples_and_what_each_screen_is(made: Path) -> None:
    samples = list(store.read_samples(made / "samples-000000.parquet"))
    lines = [json.loads(line) for line in (made / "screens-000000.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {sample.source for sample in samples} == {line["source"] for line in lines}
    assert all(line["elements"] and line["kit"] == "plain" and line["scale"] for line in lines)


def test_a_rerun_keeps_what_is_there_and_other_settings_are_refused(made: Path) -> None:
    path = made / "samples-000000.parquet"
    before = path.stat().st_mtime_ns
    assert here(*words(made)).returncode == 0
    assert path.stat().st_mtime_ns == before
    done = here(*words(made), "seed=1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "other settings" in done.stderr


def test_more_pages_go_on_where_fewer_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts of three: four pages, then six; the part of one is drawn again, nothing twice, nothing left out."""
    drawn: list[int] = []

    def draw(pages: Sequence[int]) -> Iterator[tuple[int, list[Shot | Broken]]]:
        drawn.extend(pages)
        return ((page, []) for page in pages)

    monkeypatch.setattr(make, "CHUNK", 3)
    for count, expected in ((4, [0, 1, 2, 3]), (4, []), (6, [3, 4, 5]), (2, []), (8, [6, 7])):
        drawn.clear()
        make.make(Screens(), count, tmp_path, draw, ("v1",))
        assert drawn == expected


def test_fewer_pages_after_a_kill_leave_no_gap_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven pages in parts of three, killed after the first part; then four, then seven again."""
    drawn: list[int] = []

    def draw(pages: Sequence[int], most: int) -> Iterator[tuple[int, list[Shot | Broken]]]:
        for page in pages:
            if page >= most:
                raise KeyboardInterrupt
            drawn.append(page)
            yield page, []

    monkeypatch.setattr(make, "CHUNK", 3)
    with pytest.raises(KeyboardInterrupt):
        make.make(Screens(), 7, tmp_path, lambda pages: draw(pages, 3), ("v1",))
    for count in (4, 7):
        make.make(Screens(), count, tmp_path, lambda pages: draw(pages, 9), ("v1",))
    assert drawn == list(range(7))


def test_pages_that_could_not_be_shown_are_tried_again(tmp_path: Path) -> None:
    broken = {1}

    def draw(pages: Sequence[int]) -> Iterator[tuple[int, list[Shot | Broken]]]:
        return ((page, [Broken(f"p{page}", "gone")] if page in broken else []) for page in pages)

    assert make.make(Screens(), 2, tmp_path, draw, ())["broken"] == 1
    broken.clear()
    assert make.make(Screens(), 2, tmp_path, draw, ())["broken"] == 0


BAD = {
    "licence: given pages need one": ("html=.",),
    "url: example.com is not allowed": ("url=https://example.com/", "licence=CC0-1.0"),
    "url: 'file:///etc/passwd' is no http": ("url=file:///etc/passwd", "licence=CC0-1.0", "allow=localhost"),
    "html: given beside url": ("html=.", "url=https://example.com/", "licence=CC0-1.0"),
    "count: is for drawn pages": ("html=.", "count=3", "licence=CC0-1.0"),
    "views: Input should be less than or equal to 4": ("views=5",),
    "sizes: no such key": ("sizes=3",),
    "'count': expected key=value": ("count",),
    "kits: 'nothing' is none": ("kits=nothing",),
    "devices.0: Input should be 'phone'": ("devices=watch",),
}


@pytest.mark.parametrize("line", BAD)
def test_bad_settings_are_one_line(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lapis import cli

    assert cli.main(["data", "screens", f"out={tmp_path / 'out'}", *BAD[line]]) == 2
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_without_html_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "screens", f"html={tmp_path}", "licence=CC0-1.0", f"out={tmp_path / 'out'}"]) == 2
    assert "holds no HTML file" in capsys.readouterr().err


def test_the_check_page_holds_questions_with_their_boxes(made: Path) -> None:
    page = check.write(made, 20, 0)
    text = page.read_text(encoding="utf-8")
    items = json.loads(text.split("const items = ", 1)[1].split(";\n", 1)[0].replace("<\\/", "</"))
    assert len(items) == 20 and len({one["id"] for one in items}) == 20
    assert all(one["picture"].startswith("data:image/jpeg;base64,") and one["question"] for one in items)
    assert any(one["box"] for one in items) and any(one["points"] for one in items)
    assert check.points('(012,345) {"coordinate":[1000,7]}') == [[12, 345], [1000, 7]]


def test_a_check_page_of_html_that_is_read_aloud_runs(made: Path, tmp_path: Path, browser: Any) -> None:
    sample = next(one for one in store.read_samples(made / "samples-000000.parquet") if one.images)
    hostile = 'Where is "<!-- <script>"? "</script><b>"'
    turns = (Turn("user", (sample.images[0], Text(hostile))), Turn("assistant", (Text("(100,200)"),)))
    store.write_samples(tmp_path / "samples-000000.parquet", [replace(sample, turns=turns, meta={})])
    page = browser.new_page()
    page.goto(check.write(tmp_path, 1, 0).as_uri())
    assert (page.inner_text("#where"), page.inner_text("#question")) == ("1 of 1", hostile)
    page.close()


def ticked(made: Path, count: int) -> dict[str, bool]:
    """Ticks of some questions of the folder, the first one wrong."""
    samples = [*store.read_samples(made / "samples-000000.parquet")]
    names = [f"{one.fingerprint[:16]}/{turn}" for one in samples for turn in range(len(one.turns) // 2)]
    return {name: number > 0 for number, name in enumerate(names[:count])}


def test_ticks_are_told_with_their_interval_and_kept(made: Path, tmp_path: Path) -> None:
    ticks, said = tmp_path / "checked.json", ticked(made, 20)
    ticks.write_text(json.dumps({"ticks": said}), encoding="utf-8")
    done = here("data", "screens", f"out={made}", "--checked", str(ticks))
    assert done.stdout.startswith("95.0% right (76.4% to 99.1%, n = 20); kept in ")
    kept = [json.loads(line) for line in (made / checks.TICKS).read_text(encoding="utf-8").splitlines()]
    assert len(kept) == 20 and kept[0] == {"id": next(iter(said)), "right": False}
    for bad in ("{}", "[", '{"ticks": {}}', '{"ticks": {"a": 1}}'):
        ticks.write_text(bad, encoding="utf-8")
        with pytest.raises(InputError, match=r"checked\.json: "):
            check.read(ticks, made)
    with pytest.raises(InputError, match="no samples with pictures"):
        check.write(tmp_path, 5, 0)


def test_ticks_after_a_line_that_was_cut_are_kept(tmp_path: Path) -> None:
    (tmp_path / checks.TICKS).write_text('{"id": "a/0", "right": true}\n{"id": "b/0", "ri', encoding="utf-8")
    check.keep(tmp_path, {"c/0": False, "d/0": True})
    assert checks.read_ticks(tmp_path / checks.TICKS) == {"a/0": True, "c/0": False, "d/0": True}


def test_ticks_of_another_folder_are_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ticks, kept = tmp_path / "checked.json", checks.places(made / "samples-000000.parquet")[1]
    before = kept.read_bytes() if kept.is_file() else b""
    foreign = {"0123456789abcdef/0": True, next(iter(ticked(made, 1))): True}
    ticks.write_text(json.dumps({"ticks": foreign}), encoding="utf-8")
    assert cli.main(["data", "screens", f"out={made}", "--checked", str(ticks)]) == 2
    told = capsys.readouterr().err
    assert f"checked.json: 1 of 2 ticks are of samples that {made} does not hold" in told and told.count("\n") == 1
    assert (kept.read_bytes() if kept.is_file() else b"") == before


@pytest.mark.parametrize("many", [-5, 0])
def test_a_page_of_no_samples_is_refused(many: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "screens", f"out={tmp_path / 'out'}", "--check", str(many)]) == 2
    assert f"--check: {many}, expected at least 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
