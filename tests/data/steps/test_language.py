"""Languages: named where they are not known, and dropped where they are not wanted."""

from __future__ import annotations

import pyarrow as pa

from lapis import config
from lapis.data.corpus import steps
from lapis.data.steps import language
from tests.data import world
from tests.data.steps.rows import documents

GERMAN = "Der Hund schläft heute im Garten, weil die Sonne scheint und niemand ihn stört, und träumt von Wurst."
JAPANESE = "今日は天気がいいので、公園で友達と一緒にお弁当を食べました。"
TEXTS = {
    world.SENTENCE: "en",
    world.CHINESE: "zh",
    "在 Linux 系统中使用 systemctl restart nginx.service 命令重启服务，然后查看 /var/log/nginx 日志文件": "zh",
    GERMAN: "de",
    JAPANESE: "ja",
    "Быстрая коричневая лиса прыгает через ленивую собаку, а потом идёт домой спать.": "ru",
    "השועל החום המהיר קופץ מעל הכלב העצלן והולך הביתה לישון בלילה": "he",
    "x = 17 + 4; y = f(x)": "und",
    "": "und",
    "\x00\x01": "und",
}


def test_languages_are_named() -> None:
    assert language.identify(pa.array(TEXTS)) == [*TEXTS.values()]


def test_what_is_known_stays_and_what_is_empty_is_filled() -> None:
    rows = pa.table({"text": [GERMAN, GERMAN, world.CHINESE], "lang": ["", "xx", None], "more": [1, 2, 3]})
    changed = language.change(rows)
    assert changed["lang"].to_pylist() == ["de", "xx", "zh"]
    assert changed["more"].to_pylist() == [1, 2, 3]
    assert language.change(changed) is changed


def test_a_record_that_says_it_does_not_know_is_looked_at() -> None:
    rows = pa.table({"text": ["The road goes on through the hills.", "路穿过山丘一直往前。"], "lang": ["und", "und"]})
    assert language.change(rows)["lang"].to_pylist() == ["en", "zh"]


def test_the_language_of_a_code_decides_whatever_script_and_region() -> None:
    codes = ["zh-CN", "zh-Hant-TW", "en-US", "EN", "eng", "zho", "cmn", "de-AT", "en"]
    rows = pa.table({"text": [""] * len(codes), "lang": codes})
    languages = ["zh", "zh", "en", "en", "en", "zh", "zh", "de", "en"]
    assert language.change(rows)["lang"].to_pylist() == languages
    other = "language not wanted"
    assert language.judge(rows).to_pylist() == [other if one == "de" else None for one in languages]
    assert language.judge(rows, ("de-DE",)).to_pylist() == [None if one == "de" else other for one in languages]


def test_rules_for_chinese_are_asked_of_every_chinese() -> None:
    tally = steps.Tally(0)
    for lang in ("zh", "zh-CN", "cmn-Hans"):
        steps.through(documents("灯", lang=lang), config.Corpus(), tally)
    assert (
        tally.dropped["quality", "prose"] == {"few Chinese characters": 3} and not tally.dropped["languages", "prose"]
    )


def test_what_is_not_wanted_is_dropped() -> None:
    rows = pa.table({"lang": ["en", "zh", "de", "und", None]})
    other, none = "language not wanted", "no known language"
    assert language.judge(rows).to_pylist() == [None, None, other, none, none]
    assert language.judge(rows, ("de",)).to_pylist() == [other, other, None, none, none]
