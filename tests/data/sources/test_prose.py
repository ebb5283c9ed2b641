"""Documents from pages, manuals, docstrings and a user's folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.data.sources import prose
from lapis.data.sources.markup import Figure, read_docstring, read_manual, read_page
from lapis.data.sources.packages import Package, licence
from lapis.types import InputError

PAGE = """<html><head><title>T</title><style>p {}</style></head><body><div class="navheader">Next</div>
<p>One <b>bold</b>
word &amp; more.</p><pre>code()</pre><ul><li>first</li><li>second<br>line</li></ul><script>var x</script>
<div class="figure"><img src="a.png" alt="short"/><p class="title"><b>Figure 3.1. A cat on a mat</b></p></div>
<figure><img src="b.png"><figcaption>图 2：一只猫</figcaption></figure><p>Last.</body></html>"""


def test_pages_give_paragraphs_and_figures() -> None:
    page = read_page(PAGE)
    assert page.paragraphs == ["T", "One bold word & more.", "first", "second", "line", "Last."]
    assert page.figures == [Figure("a.png", "A cat on a mat"), Figure("b.png", "一只猫")]


def test_unclosed_and_stray_tags_do_not_swallow_text() -> None:
    assert read_page("<p>a<p>b</div><table><tr><td>x</td></tr></table>c").paragraphs == ["a", "b", "c"]


def test_manuals_lose_their_markup() -> None:
    text = '.TH LS 1\n.\\" note\n.SH 名称\nls \\- \\fBlist\\fP files\n.PP\nSee\n.BR sigaction (2)\nnow.\n'
    text += '.nf\ncode\n.fi\n.I "a b"\nend'
    assert read_manual(text) == ["ls - list files", "See sigaction(2) now. a b end"]


def test_docstrings_lose_examples() -> None:
    assert read_docstring("First\nline.\n\n>>> f(1)\n2\n\n  Last.") == ["First line.", "Last."]


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 9000), max_size=12))
def test_documents_keep_their_bounds_and_lose_little(sizes: list[int]) -> None:
    paragraphs = [("abcd. " * size)[:size].strip() for size in sizes]
    made = list(prose.documents(paragraphs))
    assert all(prose.SHORTEST <= len(text) <= prose.LONGEST for text in made)
    solid = [sum(len("".join(text.split())) for text in texts) for texts in (paragraphs, made)]
    assert solid[0] - solid[1] <= prose.SHORTEST * (1 + len(sizes))


def test_language_is_told_by_characters() -> None:
    assert prose.language("apt 是一个软件包管理工具 for Debian") == "zh"
    assert prose.language("The word 猫 means cat in Chinese.") == "en"


def test_package_files_are_parsed_with_licence_and_version(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/doc/demo"
    folder.mkdir(parents=True)
    (folder / "copyright").write_text("Files: *\nLicense: GPL-2+\n text\n\nLicense: MIT\n", encoding="utf-8")
    (folder / "page.html").write_text(f"<p>{'A sentence of prose. ' * 20}</p>", encoding="utf-8")
    (tmp_path / "usr/share/man/zh_CN").mkdir(parents=True)
    manual = tmp_path / "usr/share/man/zh_CN/ls.1.gz"
    manual.write_bytes(gzip.compress((".SH 描述\n" + "列出指定文件的信息。" * 40).encode()))
    foreign = tmp_path / "usr/share/help/fr"
    foreign.mkdir(parents=True)
    (foreign / "page.html").write_text(f"<p>{'Une phrase. ' * 40}</p>", encoding="utf-8")
    package = Package("demo", "1.2", licence(tmp_path, "demo"), tmp_path)
    made = list(prose.parse(prose.package_jobs(package), 1))
    assert [(one.lang, one.licence) for one in made] == [("en", "GPL-2+"), ("zh", "GPL-2+")]
    assert made[0].source == "demo 1.2 usr/share/doc/demo/page.html"
    assert all(one.document for one in made)


def test_a_package_without_stanza_names_its_file(tmp_path: Path) -> None:
    assert licence(tmp_path, "demo") == "demo/copyright"


def test_pythons_own_documentation_is_prose() -> None:
    made = list(prose.topics_prose())
    assert len(made) > 50
    assert {one.licence for one in made} == {"PSF-2.0"}
    job = next(job for job in prose.python_jobs() if any(path.name == "argparse.py" for path in job.paths))
    found = list(prose.parse([job], 1))
    assert any("argparse.py" in one.source for one in found)


def test_a_users_folder_is_read_or_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no .txt or .md"):
        list(prose.folder_prose(tmp_path / "none"))
    (tmp_path / "a.txt").write_text("A paragraph of text. " * 20, encoding="utf-8")
    assert [one.source for one in prose.folder_prose(tmp_path)] == ["a.txt"]
    (tmp_path / "b.md").write_bytes(b"caf\xe9 " * 90)
    with pytest.raises(InputError, match=r"b.md: not UTF-8 \(byte 3\)"):
        list(prose.folder_prose(tmp_path))
    (tmp_path / "b.md").write_text(" \n", encoding="utf-8")
    with pytest.raises(InputError, match="b.md: empty"):
        list(prose.folder_prose(tmp_path))
