"""What a page is made of, as plain values that become JSON: a description that every kit draws its own way.

A part is a dict whose `t` names it; `js/common.js` can draw each in plain HTML, and a kit's own file draws those for
which the kit has something. `fact` is (field, item, value, unit) as in screens/parts.py: what may be asked of a text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lapis.data.screens.kits.say import Pair, Say

Part = dict[str, Any]
Fact = tuple[str, str, int | str, str]

ICONS: dict[str, Pair] = {
    "search": ("Search", "搜索"), "plus-lg": ("Add", "添加"), "three-dots": ("More", "更多"),
    "share": ("Share", "分享"),
    "pencil": ("Edit", "编辑"), "trash": ("Delete", "删除"), "filter": ("Filter", "筛选"), "bell": ("Alerts", "提醒"),
    "heart": ("Favourite", "收藏"), "cart": ("Cart", "购物车"), "gear": ("Options", "选项"),
    "download": ("Download", "下载"),
    "telephone": ("Call", "呼叫"), "camera-video": ("Video call", "视频通话"), "mic": ("Voice", "语音"),
    "emoji-smile": ("Emoji", "表情"), "send": ("Send", "发送"), "paperclip": ("Attach", "附件"),
    "camera": ("Camera", "相机"),
    "play-fill": ("Play", "播放"), "pause-fill": ("Pause", "暂停"), "skip-forward-fill": ("Next track", "下一首"),
    "skip-backward-fill": ("Previous track", "上一首"), "shuffle": ("Shuffle", "随机播放"),
    "repeat": ("Repeat", "循环播放"),
    "bookmark": ("Bookmark", "书签"), "upc-scan": ("Scan", "扫一扫"), "calendar": ("Calendar", "日历"),
    "arrow-repeat": ("Refresh", "刷新"), "printer": ("Print", "打印"), "list": ("Menu", "菜单"),
    "type-bold": ("Bold", "加粗"),
    "type-italic": ("Italic", "斜体"), "type-underline": ("Underline", "下划线"), "list-ul": ("Bullets", "项目符号"),
    "image": ("Insert picture", "插入图片"), "link-45deg": ("Insert link", "插入链接"),
    "crosshair": ("My position", "我的位置"),
    "layers": ("Layers", "图层"), "eye": ("Show password", "显示密码"), "x-lg": ("Close", "关闭"),
    "star": ("Star", "星标"),
    "reply": ("Reply", "回复"), "archive": ("Archive", "归档"), "hand-thumbs-up": ("Like", "点赞"),
    "chat": ("Comment", "评论"),
    "qr-code": ("QR code", "二维码"), "folder-plus": ("New folder", "新建文件夹"), "grid": ("Grid view", "网格视图"),
    "headset": ("Ask support", "咨询客服"),
}  # fmt: skip
"""Names of icons that can be tapped, in both languages; the keys are those of Bootstrap Icons."""


@dataclass(slots=True)
class Page:
    """A page before it is drawn."""

    title: str
    body: list[Part]
    back: bool = False
    actions: list[str] = field(default_factory=list)
    """Icons at the end of the bar."""
    tabs: list[tuple[str, str]] = field(default_factory=list)
    """(icon, name) of the bottom bar; of the side bar on wide pages."""
    foot: list[Part] = field(default_factory=list)
    """What stands below the body and does not scroll."""
    overlays: list[Part] = field(default_factory=list)
    """What may lie over it, one at a time."""
    typed: bool = False
    """A keyboard can be up."""
    bare: bool = False
    """No bar at the top."""


def icon(say: Say, name: str) -> Part:
    """An icon that can be tapped, with the word that a screen reader says."""
    return {"icon": name, "name": say.ui(*ICONS[name])}


def row(name: str, **more: Any) -> Part:
    """A row of a list: `note`, `value` (with `fact`), `icon`, `avatar` or `picture`, `arrow`, `badge`, `tag`, and at
    its end a `switch`, `check` or `radio` (bool), a `count`, or a `button` (its name)."""
    return {"t": "row", "name": name, **more}


def rows(items: Sequence[Part], title: str = "") -> Part:
    """A list of rows."""
    return {"t": "rows", "items": list(items), "title": title}


def part(what: str, **more: Any) -> Part:
    """Any other part."""
    return {"t": what, **more}


def text(words: str, look: str = "", fact: Fact | None = None) -> Part:
    """Words of their own; `look` is "", muted, strong, large, price or center."""
    return {"t": "text", "words": words, "look": look, "fact": fact}


def heading(words: str) -> Part:
    """A heading inside the body."""
    return {"t": "heading", "words": words}


def entry(name: str, hint: str = "", value: str = "", kind: str = "text") -> Part:
    """A field with its label; `kind` is text, password, area, select, date or code."""
    return {"t": "field", "name": name, "hint": hint, "value": value, "kind": kind}


def buttons(*names: str, stack: bool = False, small: bool = False) -> Part:
    """Buttons side by side or one below the other; the first is the main one."""
    return {"t": "buttons", "names": list(names), "stack": stack, "small": small}


def entry_row(say: Say, name: str, value: str) -> Part:
    """A name and what is entered for it, which may be asked for."""
    return row(name, value=value, fact=("entry", name, value, ""))


def dialog(say: Say, title: str, words: str, yes: str, no: str = "") -> Part:
    """A question over the page."""
    no = no or say.one((("Cancel", "取消"), ("Not now", "暂不"), ("Later", "以后再说")))
    return {"t": "dialog", "title": title, "words": words, "yes": yes, "no": no}


def sheet(say: Say, names: Sequence[str], title: str = "") -> Part:
    """Choices that rose from the bottom, with a way out."""
    return {"t": "sheet", "title": title, "names": list(names), "cancel": say.ui("Cancel", "取消")}


def toast(words: str) -> Part:
    """A short message over the page."""
    return {"t": "toast", "words": words}


def menu(names: Sequence[str]) -> Part:
    """Choices that hang from the bar's end."""
    return {"t": "menu", "names": list(names)}


def hue(rng: random.Random) -> int:
    """A colour, as a hue."""
    return rng.randrange(360)


OVERLAYS: tuple[tuple[Pair, Pair, Pair], ...] = (
    (("Delete this item?", "确定删除吗?"), ("It cannot be brought back.", "删除后无法恢复。"), ("Delete", "删除")),
    (
        ("Allow notifications?", "允许发送通知?"),
        ("You can change this later.", "以后可以在设置中更改。"),
        ("Allow", "允许"),
    ),
    (("Update available", "发现新版本"), ("The new version is faster.", "新版本速度更快。"), ("Update", "立即更新")),
    (("Leave this page?", "要离开吗?"), ("Changes are not saved yet.", "修改尚未保存。"), ("Leave", "离开")),
    (
        ("Turn on location?", "开启定位?"),
        ("It shows what is near you.", "开启后可查看附近内容。"),
        ("Turn on", "去开启"),
    ),
    (("Session expired", "登录已过期"), ("Please sign in again.", "请重新登录。"), ("Sign in again", "重新登录")),
)
CHOICES: tuple[Pair, ...] = (
    ("Copy link", "复制链接"), ("Send to a friend", "发送给朋友"), ("Report", "举报"), ("Hide", "隐藏"),
    ("Rename", "重命名"),
    ("Move to", "移动到"), ("Pin to top", "置顶"), ("Mute", "静音"), ("Save picture", "保存图片"),
    ("Take photo", "拍照"),
    ("Choose from album", "从相册选择"), ("Details", "详情"), ("Mark as read", "标为已读"), ("Add to list", "加入列表"),
)  # fmt: skip
TOASTS: tuple[Pair, ...] = (
    ("Saved", "保存成功"), ("Copied", "已复制"), ("Link copied", "链接已复制"), ("Message sent", "消息已发送"),
    ("Added to cart", "已加入购物车"), ("No network", "网络不可用"), ("Uploading", "正在上传"), ("Refreshed", "已刷新"),
)  # fmt: skip


def common_overlays(say: Say) -> list[Part]:
    """One of each sort that fits any page, in a drawn order."""
    title, words, yes = say.rng.choice(OVERLAYS)
    made = [
        dialog(say, say.ui(*title), say.ui(*words), say.ui(*yes)),
        sheet(say, say.some(CHOICES, say.rng.randrange(3, 6))),
        menu(say.some(CHOICES, say.rng.randrange(3, 6))),
        toast(say.one(TOASTS)),
    ]
    return say.rng.sample(made, len(made))
