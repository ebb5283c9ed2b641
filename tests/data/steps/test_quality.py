"""Which prose is dropped, and why: a kept and a dropped text for each rule, on hand-counted limits."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from lapis.data.steps import quality
from lapis.data_config.judge import PAGES, Quality
from tests.data import world

GOOD = "The cat and the dog have to be at home, and that is where they sleep with all of their friends every night."
"""22 words."""
OTHERS = (
    "Rain fell on the old town, and people ran to the market hall with bags over their heads.",
    "A man sold apples there, which he had picked in the morning, and nobody wanted to pay for them.",
    "When the sun came out at last, the children of that street went to the river to play.",
)
PAGE = "\n".join((GOOD, *OTHERS))
ZH = (
    "天空是蓝色的，草地是绿色的。这盏便宜的灯要四十二个硬币。",
    "我们今天去市场买鱼和米饭，明天再到山上看日出。",
    "老师让学生们写一篇关于家乡河流变化过程中的文章！",
)
OFF = Quality(
    words=0, most_words=10**6, word_length=(0, 1e9), symbols=1, bullets=1, ellipses=1, letters=0, stops=0, sentences=0,
    ends=0, short_lines=1, same_lines=1, same_paragraphs=1, same_line_characters=1, same_paragraph_characters=1, top=(),
    repeated=(), han=0, least_han=0, broken=1,
)  # fmt: skip


def reason(text: str, lang: str = "en", rules: Quality = PAGES) -> str | None:
    return quality.judge(pa.table({"text": [text], "lang": [lang]}), rules).to_pylist()[0]


def test_plain_pages_stay() -> None:
    assert reason(PAGE, "en", Quality()) is None
    assert reason("\n".join(ZH), "zh", Quality()) is None


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        (GOOD, "en", None),
        ("the cat of that", "en", "few words"),
        ("a b c d e of the i j k l m n o p q r s t u v w x", "en", "word length"),
        (GOOD.replace(" be", " #be"), "en", None),
        (GOOD.replace(" t", " #t"), "en", "symbols"),
        ("\n".join(f"- {GOOD}" for _ in range(3)), "en", "bullets"),
        ("\n".join(GOOD[:60] + "..." for _ in range(3)), "en", "ellipses"),
        (GOOD + " 1234567" * 9, "en", "letters"),
        (
            "foxes jump over lazy dogs while birds sing near green hills where sheep eat all day long until dusk comes",
            "en",
            "stop words",
        ),
        (world.CHINESE * 3, "zh", None),
        (world.CHINESE[:40], "zh", "few Chinese characters"),
        (world.CHINESE * 2 + GOOD * 3, "zh", "share of Chinese"),
    ],
)
def test_rules_for_the_pages_of_documentation(text: str, lang: str, expected: str | None) -> None:
    assert reason(text, lang) == expected


@pytest.mark.parametrize(
    ("change", "kept", "dropped", "expected"),
    [
        ({"words": 5}, "one two three four five", "one two three four", "few words"),
        ({"most_words": 3}, "one two three", "one two three four", "many words"),
        ({"word_length": (3, 5)}, "abc abcdefg", "abc abcdefgh", "word length"),
        ({"word_length": (3, 5)}, "ab abcd", "ab abc", "word length"),
        ({"symbols": 0.25}, "# three words more", "# # words more", "symbols"),
        ({"symbols": 0.25}, "so... three words more", "so…... two more", "symbols"),
        ({"letters": 0.5}, "a1 2", "é 2 3", "letters"),
        ({"stops": 2}, "The “be”", "there (of) Of", "stop words"),
        ({"bullets": 0.5}, "- one\ntwo", "• one\n  * two\nthree", "bullets"),
        ({"ellipses": 0.5}, "one…\ntwo", "one… \ntwo...\nthree", "ellipses"),
        ({"ends": 0.5}, 'he said "so."\nand left', "one.\ntwo\nthree", "ends of lines"),
        ({"short_lines": 0.5, "short": 4}, "abc\nabcd", "abc\nabc\nabcd", "short lines"),
        ({"sentences": 2}, 'One. (Two!) three', "One. Two", "few sentences"),
        ({"broken": 0.1}, "a\ufffd23456789", "a\ufffd2345678", "broken characters"),
        ({"same_lines": 0.25}, "a\nb\nc\na", "a\nb\na", "same lines"),
        ({"same_line_characters": 0.25}, "abc\nd\nabc\n12345", "abc\nd\nabc\n1", "same lines"),
        ({"same_paragraphs": 0.3}, "a\nb\n\na\nc\n\na", "a\nb\n\na\nb", "same paragraphs"),
        ({"same_paragraph_characters": 0.1}, "a\nb\n\na\nc", "a\nb\n\nx\n\na\nb", "same paragraphs"),
    ],
)  # fmt: skip
def test_each_limit_keeps_what_lies_on_it_and_drops_what_lies_beyond(
    change: dict, kept: str, dropped: str, expected: str
) -> None:
    rules = replace(OFF, **change)
    assert (reason(kept, "en", rules), reason(dropped, "en", rules)) == (None, expected)


def test_stop_words_are_looked_for_beyond_the_beginning_and_never_in_half_a_word() -> None:
    rules = replace(OFF, stops=2)
    for size in range(quality.HEAD - 20, quality.HEAD + 5):
        begin = "ab " * (size // 3) + "c" * (size % 3 + 1)
        assert reason(f"{begin} the other offer of it", "en", rules) is None
        assert reason(f"{begin} other offer and therefore", "en", rules) == "stop words"


def test_chinese_has_its_own_measures() -> None:
    """No stop words or word lengths; lines are short below half as many characters; 。 ends lines and sentences."""
    assert reason(ZH[0], "zh", replace(OFF, stops=2, words=50, word_length=(3, 10), letters=1, symbols=0)) is None
    assert reason("一二三\n一二", "zh", replace(OFF, short_lines=0.4, short=6)) == "short lines"
    assert reason("一二三\n一二三", "zh", replace(OFF, short_lines=0.4, short=6)) is None
    assert reason("".join(ZH), "zh", replace(OFF, sentences=4, ends=1)) is None
    assert reason("".join(ZH), "zh", replace(OFF, sentences=5)) == "few sentences"
    assert reason("锟斤拷锟斤拷" + ZH[0] * 10, "zh", replace(OFF, broken=0.001)) == "broken characters"


def test_frequent_runs_count_the_characters_of_the_weightiest() -> None:
    """`aa bb` stands twice among 19 characters: 10 of 19. Runs of three stand once."""
    text = "aa bb cc aa bb dd e"
    assert reason(text, "en", replace(OFF, top=(10 / 19,))) is None
    assert reason(text, "en", replace(OFF, top=(10 / 19 - 0.001,))) == "frequent words"
    assert reason(text, "en", replace(OFF, top=(1.0, 0.01))) is None
    assert reason("aa bb cc dd aa bb cc ee", "en", replace(OFF, top=(1.0, 16 / 23 - 0.001))) == "frequent words"


def test_repeated_runs_count_each_character_once() -> None:
    """Words six to ten repeat one to five, 14 of 29 characters; so many do runs of six cover only with a sixth."""
    text = "aa bb cc dd ee aa bb cc dd ee"
    assert reason(text, "en", replace(OFF, repeated=(14 / 29,))) is None
    assert reason(text, "en", replace(OFF, repeated=(14 / 29 - 0.001,))) == "repeated words"
    assert reason(text, "en", replace(OFF, repeated=(0.9, 0.1))) is None
    longer = "aa bb cc dd ee ff aa bb cc dd ee ff"
    assert reason(longer, "en", replace(OFF, repeated=(0.9, 0.4))) == "repeated words"


def test_runs_of_chinese_are_twice_as_long() -> None:
    text = "甲乙丙丁戊己庚辛壬癸" * 2
    assert reason(text, "zh", replace(OFF, repeated=(0.4,))) == "repeated words"
    assert reason(text[:19], "zh", replace(OFF, repeated=(0.4,))) is None
    assert reason("甲乙丙丁子甲乙丙丁", "zh", replace(OFF, top=(8 / 9 - 0.01,))) == "frequent words"
    assert reason("甲乙丙丁子甲乙丙", "zh", replace(OFF, top=(0.1,))) is None


def test_a_table_gets_what_its_rows_get_alone() -> None:
    texts = ["", None, PAGE, GOOD, "- a\n- b", *ZH, "\n".join(ZH), PAGE + PAGE] * 3
    langs = ["en", "en", "en", None, "de", "zh", "ja", "th", "zh", "en"] * 3
    whole = quality.judge(pa.table({"text": texts, "lang": langs}), Quality()).to_pylist()
    assert whole == [
        quality.judge(pa.table({"text": pa.array([text], pa.string()), "lang": pa.array([lang], pa.string())}))[
            0
        ].as_py()
        for text, lang in zip(texts, langs, strict=True)
    ]
    assert None in whole and set(whole) - {None} <= {*quality.REASONS}
    assert (
        quality.judge(pa.table({"text": pa.array([], pa.string()), "lang": pa.array([], pa.string())})).to_pylist()
        == []
    )
