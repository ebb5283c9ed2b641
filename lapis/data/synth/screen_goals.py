"""How goals on a screen are worded, in both languages, for training and held out; names and values go into the braces.

The same goal may stand behind an opening. No held-out sentence is one of training's, openings included.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

Frames = Mapping[tuple[str, str], Sequence[str]]
"""(language, train or held) to sentences."""

OPENINGS: Frames = {
    ("en", "train"): ("", "", "", "Please: ", "Goal: ", "Next: ", "Do this: ", "Your task: "),
    ("en", "held"): ("", "Now ", "I want you to: "),
    ("zh", "train"): ("", "", "", "请", "目标:", "任务:", "接下来,", "帮我"),
    ("zh", "held"): ("", "麻烦", "现在请"),
}
GOALS: dict[str, Frames] = {
    "click": {
        ("en", "train"): (
            'tap "{name}"', 'click "{name}"', 'choose "{name}"', 'press "{name}"', "tap {name}", "click on {name}",
            'go to "{name}"', "select {name}", 'tap the {role} "{name}"', "press the {role} {name}",
        ),
        ("en", "held"): ('hit "{name}"', "use {name}", 'activate the {role} "{name}"'),
        ("zh", "train"): (
            "点击“{name}”", "点“{name}”", "选择“{name}”", "按“{name}”", "点一下{name}", "进入“{name}”", "选{name}",
            "点击{role}“{name}”", "按{role}{name}",
        ),
        ("zh", "held"): ("点开“{name}”", "使用{name}", "触发{role}“{name}”"),
    },
    "double_click": {
        ("en", "train"): (
            'double-click "{name}"', "double-tap {name}", 'tap "{name}" twice', "click {name} twice",
            "press {name} twice in a row", 'do a double tap on "{name}"', "two quick taps on {name}",
        ),
        ("en", "held"): ('give "{name}" a double click', "click {name} two times"),
        ("zh", "train"): (
            "双击“{name}”", "连点两下{name}", "点两次“{name}”", "连续点击{name}两次", "双击一下{name}",
            "在“{name}”上双击",
        ),
        ("zh", "held"): ("对“{name}”双击", "快速点{name}两下"),
    },
    "long_press": {
        ("en", "train"): (
            'long-press "{name}"', "hold {name} down", 'press and hold "{name}"', 'make a long press at "{name}"',
            "keep holding {name}", "press {name} for long", 'keep a finger on "{name}"',
        ),
        ("en", "held"): ('keep "{name}" pressed', "do a long press on {name}"),
        ("zh", "train"): (
            "长按“{name}”", "按住{name}", "按住“{name}”不放", "长时间按{name}", "在“{name}”上长按", "长按一下{name}",
        ),
        ("zh", "held"): ("对“{name}”长按", "一直按着{name}"),
    },
    "drag": {
        ("en", "train"): (
            'drag "{name}" onto "{other}"', "move {name} to {other}", 'drag "{name}" to "{other}"',
            "take {name} over to {other}", 'bring "{name}" to "{other}"', "put {name} on {other}",
        ),
        ("en", "held"): ('pull "{name}" over to "{other}"', "drop {name} on {other}"),
        ("zh", "train"): (
            "把“{name}”拖到“{other}”", "将{name}移到{other}", "拖动“{name}”到“{other}”", "把{name}挪到{other}上",
            "将“{name}”拖放到“{other}”",
        ),
        ("zh", "held"): ("把“{name}”拉到“{other}”上", "将{name}放到{other}处"),
    },
    "type": {
        ("en", "train"): (
            'type "{text}" into "{name}"', "enter {text} for {name}", 'fill "{name}" with "{text}"',
            'write "{text}" in the field "{name}"', "put {text} into {name}",
        ),
        ("en", "held"): ('set the field "{name}" to "{text}"', "for {name}, type {text}"),
        ("zh", "train"): (
            "在“{name}”中输入“{text}”", "{name}填{text}", "把“{text}”填入“{name}”", "往“{name}”里写“{text}”",
            "输入{text}到{name}",
        ),
        ("zh", "held"): ("将“{name}”设为“{text}”", "{name}一栏键入{text}"),
    },
    "on": {
        ("en", "train"): (
            'turn on "{name}"', "switch {name} on", 'enable "{name}"', "turn {name} on", 'make sure "{name}" is on',
            "{name} should be on", 'set "{name}" to on', "have {name} on",
        ),
        ("en", "held"): ('see that "{name}" is on', "activate {name}"),
        ("zh", "train"): (
            "打开“{name}”的开关", "开启{name}", "启用“{name}”", "把{name}打开", "确保“{name}”是开着的", "{name}要开着",
            "将“{name}”设为开启",
        ),
        ("zh", "held"): ("让“{name}”处于开启状态", "激活{name}"),
    },
    "off": {
        ("en", "train"): (
            'turn off "{name}"', "switch {name} off", 'disable "{name}"', "turn {name} off",
            'make sure "{name}" is off', "{name} should be off", 'set "{name}" to off', "have {name} off",
        ),
        ("en", "held"): ('see that "{name}" is off', "deactivate {name}"),
        ("zh", "train"): (
            "关闭“{name}”的开关", "关掉{name}", "停用“{name}”", "把{name}关闭", "确保“{name}”是关着的", "{name}要关着",
            "将“{name}”设为关闭",
        ),
        ("zh", "held"): ("让“{name}”处于关闭状态", "禁用{name}"),
    },
    "down": {
        ("en", "train"): ("scroll down", "show what is further down", "look below"),
        ("en", "held"): ("move on to the lower part",),
        ("zh", "train"): ("向下滚动", "看下面的内容", "往下翻"),
        ("zh", "held"): ("翻到更下方",),
    },
    "up": {
        ("en", "train"): ("scroll up", "show what is further up", "look above"),
        ("en", "held"): ("move back to the upper part",),
        ("zh", "train"): ("向上滚动", "看上面的内容", "往上翻"),
        ("zh", "held"): ("翻回更上方",),
    },
    "open": {
        ("en", "train"): (
            "start the app {name}", 'launch the app "{name}"', "open the app {name}", "run the app {name}",
            'start "{name}", the app',
        ),
        ("en", "held"): ("bring up the application {name}",),
        ("zh", "train"): ("启动应用{name}", "打开应用“{name}”", "运行应用{name}"),
        ("zh", "held"): ("调出{name}这个应用",),
    },
    "back": {
        ("en", "train"): (
            "go back", "return to the screen before", "leave this screen", "back to where I was", "one screen back",
        ),
        ("en", "held"): ("get to the previous screen",),
        ("zh", "train"): ("返回", "回到上一页", "离开这个页面", "退回上一个界面", "往回退一页"),
        ("zh", "held"): ("退到前一个页面",),
    },
    "home": {
        ("en", "train"): ("press the home button", "go to the home screen of the phone"),
        ("en", "held"): ("leave for the device's home screen",),
        ("zh", "train"): ("按主屏幕键", "回到手机桌面"),
        ("zh", "held"): ("退到系统桌面",),
    },
    "enter": {
        ("en", "train"): ("press enter", "confirm with the enter key"),
        ("en", "held"): ("hit the return key",),
        ("zh", "train"): ("按回车", "用回车键确认"),
        ("zh", "held"): ("敲一下回车键",),
    },
    "wait": {
        ("en", "train"): ("wait {n} seconds", "do nothing for {n} seconds"),
        ("en", "held"): ("pause for {n} seconds",),
        ("zh", "train"): ("等待{n}秒", "{n}秒内什么也不做"),
        ("zh", "held"): ("停{n}秒",),
    },
    "notes": {
        ("en", "train"): ("note the number of {name}", 'write down what "{name}" has', "keep the number of {name}"),
        ("en", "held"): ("make a note of the value of {name}",),
        ("zh", "train"): ("记下{name}的数", "把“{name}”的数记下来", "记录{name}的数值"),
        ("zh", "held"): ("做个笔记:{name}是多少",),
    },
    "answer": {
        ("en", "train"): ("tell me: {question}", "answer: {question}", "find out: {question}"),
        ("en", "held"): ("report to me: {question}",),
        ("zh", "train"): ("告诉我:{question}", "回答:{question}", "查一下:{question}"),
        ("zh", "held"): ("向我汇报:{question}",),
    },
}  # fmt: skip
"""Sentences by what is wanted."""
STATES = {"en": {"on": "on", "off": "off"}, "zh": {"on": "开", "off": "关"}}
"""What thoughts say of a state."""


def say(lang: str, split: str, what: str, rng: random.Random, **words: object) -> str:
    """A goal in words; `split` is train or held."""
    goal = rng.choice(OPENINGS[lang, split]) + plainly(lang, split, what, rng, **words)
    return goal[0].upper() + goal[1:]


def plainly(lang: str, split: str, what: str, rng: random.Random, **words: object) -> str:
    """A goal without an opening, as a part of a longer one."""
    return rng.choice(GOALS[what][lang, split]).format(**words)
