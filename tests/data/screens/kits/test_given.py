"""What may be loaded for given pages: allowed hosts by GET, redirects included, and files of the folder."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lapis.data.screens.kits.given import ORIGIN, REDIRECTS, Given, GivenTab, of_folder, of_web
from lapis.types import InputError

TOLD: dict[str, Any] = {"licence": "CC0-1.0", "devices": ("phone",), "views": 1, "seed": 0}


@dataclass
class Route:
    """A request that waits for its answer; `moved` says where an address has gone."""

    url: str
    moved: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    asked: list[str] = field(default_factory=list)
    answer: str = ""

    @property
    def request(self) -> Any:
        return SimpleNamespace(url=self.url, method=self.method)

    def fetch(self, url: str, max_redirects: int) -> Any:
        assert max_redirects == 0
        self.asked.append(url)
        place = self.moved.get(url)
        return SimpleNamespace(status=302 if place else 200, headers={"location": place} if place else {})

    def fulfill(self, **told: Any) -> None:
        self.answer = told.get("content_type", "page")

    def abort(self) -> None:
        self.answer = "refused"


def asked(pages: Given, route: Route) -> Route:
    tab = GivenTab.__new__(GivenTab)
    tab._given = pages
    tab._answer(route)
    return route


WEB = of_web(["https://a.example/x"], ["a.example", "b.example"], **TOLD)


@pytest.mark.parametrize(
    ("url", "moved", "answer", "asked_for"),
    [
        ("https://a.example/x", {}, "page", 1),
        ("https://c.example/x", {}, "refused", 0),
        ("https://a.example.evil/x", {}, "refused", 0),
        ("file:///etc/passwd", {}, "refused", 0),
        ("https://a.example/x", {"https://a.example/x": "https://b.example/y"}, "page", 2),
        ("https://a.example/x", {"https://a.example/x": "/y"}, "page", 2),
        ("https://a.example/x", {"https://a.example/x": "http://169.254.169.254/"}, "refused", 1),
        ("https://a.example/x", {"https://a.example/x": "file:///etc/passwd"}, "refused", 1),
        ("https://a.example/x", {"https://a.example/x": "https://a.example/x"}, "refused", REDIRECTS),
    ],
)
def test_only_allowed_hosts_are_asked(url: str, moved: dict[str, str], answer: str, asked_for: int) -> None:
    route = asked(WEB, Route(url, moved))
    assert (route.answer, len(route.asked)) == (answer, asked_for)


def test_nothing_is_sent() -> None:
    assert asked(WEB, Route("https://a.example/x", method="POST")).answer == "refused"


def test_a_folder_serves_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a b.html").write_text("<p>ü", encoding="utf-8")
    (folder / "old.html").write_bytes("<p>ü".encode("latin-1"))
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "link.html").symlink_to(tmp_path / "secret.txt")
    pages = of_folder(folder, **TOLD)
    answers = {name: asked(pages, Route(ORIGIN + name)).answer for name in ("a%20b.html", "old.html", "../secret.txt")}
    assert answers == {"a%20b.html": "text/html; charset=utf-8", "old.html": "text/html", "../secret.txt": "refused"}
    refused = (ORIGIN + "..%2fsecret.txt", ORIGIN + "link.html", ORIGIN + "none.html", "http://example.com/a%20b.html")
    assert {asked(pages, Route(url)).answer for url in refused} == {"refused"}


def test_addresses_need_an_allowed_host() -> None:
    with pytest.raises(InputError, match=r"^url: a\.example is not allowed; allow=a\.example allows it$"):
        of_web(["https://a.example/"], [], **TOLD)
    with pytest.raises(InputError, match="is no http or https address"):
        of_web(["javascript:alert(1)"], ["a.example"], **TOLD)
