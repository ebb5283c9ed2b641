"""Chat, mail and feed screens."""

from __future__ import annotations

import random

from lapis.data.screens import parts
from lapis.data.screens.style import Style
from lapis.data.screens.words import Words


def chat(rng: random.Random, words: Words, style: Style) -> str:
    """A conversation in bubbles, or a list of conversations."""
    nav = [
        words.ui("Chats", "聊天"),
        words.ui("Contacts", "通讯录"),
        words.ui("Status", "状态"),
        words.ui("Calls", "通话"),
    ]
    if rng.random() < 0.4:
        rows = "".join(_conversation(rng, words, style) for _ in range(style.rows(2.9 if style.rich else 2.0)))
        action = parts.icon(words, "add") if style.rich else ""
        return parts.shell(rng, words, style, nav[0], parts.box(rows, "list"), nav, action)
    bubbles = "".join(_bubble(rng, words) for _ in range(style.rows(2.3, 2.2, 8)))
    send = parts.icon(words, "share") if style.rich and rng.random() < 0.3 else parts.button(words.ui("Send", "发送"))
    entry = parts.box(_entry(words, style, send), "row")
    action = parts.icon(words, "call") if style.rich else ""
    return parts.shell(rng, words, style, words.person(), parts.box(bubbles, "list") + entry, nav, action)


def _entry(words: Words, style: Style, send: str) -> str:

    entry = parts.field(words.ui("Message", "消息"), "flex:1")
    return parts.sided(style, entry, send) if style.rich else entry + send


def _bubble(rng: random.Random, words: Words) -> str:
    mine = rng.random() < 0.5
    tint = "background:var(--ac);color:var(--oa);margin-left:auto" if mine else "background:var(--sf)"
    return parts.text(words.message(), "card wrap fit", f"max-width:86%;flex:none;{tint}")


def _conversation(rng: random.Random, words: Words, style: Style) -> str:
    name, unread = words.person(), words.number(2, 99)
    badge = parts.value(str(unread), ("unread", name, unread, ""), "st") if rng.random() < 0.6 else ""
    lines = parts.box(name, "st")
    if style.rich:
        lines += parts.text(words.thing(), "mu sm")
    return parts.el("item", name, parts.sided(style, parts.avatar(rng) + parts.box(lines, "col g"), badge), "item")


def mail(rng: random.Random, words: Words, style: Style) -> str:
    """A list of mails with folders, or one mail opened."""
    folders = [
        words.ui("Inbox", "收件箱"),
        words.ui("Sent", "已发送"),
        words.ui("Drafts", "草稿箱"),
        words.ui("Spam", "垃圾邮件"),
    ]
    if rng.random() < 0.35:
        return parts.shell(rng, words, style, words.title(), _letter(rng, words, style), folders, "")
    compose = parts.button(
        words.ui("Compose", "写信"), css=f"align-self:{rng.choice(('flex-end', 'flex-start', 'stretch'))}"
    )
    two = style.span > 13 or style.rich
    rows = "".join(_mail(words, style, two) for _ in range(style.rows(3.0 if two else 2.0, 2.2)))
    body = parts.shuffled(rng, [compose, parts.box(rows, "list")])
    action = parts.icon(words, rng.choice(("search", "refresh"))) if style.rich else ""
    return parts.shell(rng, words, style, folders[0], body, folders, action)


def _mail(words: Words, style: Style, two: bool) -> str:
    sender, subject = words.person(), words.pick("study", "transport", "goods", "place")
    time = words.time()
    when = parts.value(time, ("time", sender, time, ""), "mu sm e") if style.span > 14 else ""
    first = parts.box(parts.box(sender, "st") + when, "row", "align-self:stretch")
    second = parts.value(subject, ("subject", sender, subject, ""), "mu") if two else ""
    mark = parts.check("checkbox", sender, False) if style.difficulty > 0.6 else ""
    return parts.el("item", sender, mark + parts.box(first + second, "col g"), "item")


def _letter(rng: random.Random, words: Words, style: Style) -> str:
    sender = words.person()
    label = "来自" if style.lang == "zh" else "From"
    head = parts.box(
        parts.avatar(rng) + parts.value(sender, ("sender", "", sender, ""), "st") + parts.box(label, "mu sm e"), "row"
    )
    lines = "".join(parts.text(words.message(), "wrap fit") for _ in range(style.rows(1.3, 5.2, 6)))
    ways = [("Reply", "回复"), ("Forward", "转发"), ("Delete", "删除"), ("Archive", "归档")]
    names = [words.ui(*way) for way in rng.sample(ways, 3 if style.span > 20 else 2)]
    buttons = parts.box("".join(parts.button(name, rng.choice(("", "o"))) for name in names), "row")
    return parts.shuffled(rng, [head, parts.box(lines, "list"), buttons])


def feed(rng: random.Random, words: Words, style: Style) -> str:
    """Posts with an author, a line, perhaps a picture, and likes."""
    tall = 7.4 if style.rich and style.room > 13 else 5.6 if style.rich else 4.6
    posts = [_post(rng, words, style, tall > 7) for _ in range(style.rows(tall))]
    write = parts.field(words.ui("Share", "分享")) if style.room - tall * len(posts) > 2.4 else ""
    nav = [words.ui("Feed", "动态"), words.ui("Friends", "好友"), words.ui("Discover", "发现"), words.pick("hobby")]
    action = parts.icon(words, rng.choice(("add", "search", "message"))) if style.rich else ""
    return parts.shell(rng, words, style, nav[0], write + parts.box("".join(posts), "list"), nav, action)


def _post(rng: random.Random, words: Words, style: Style, pictured: bool) -> str:
    author, likes = words.person(), words.number(2, 99)
    follow = parts.button(words.ui("Follow", "关注"), "q sm e", of=author) if rng.random() < 0.4 else ""
    head = parts.box(parts.avatar(rng) + parts.text(author, "st") + follow, "row", "align-self:stretch")
    line = parts.text(words.message(), "wrap fit")
    art = parts.picture(rng, "height:2.2em;border-radius:var(--r)") if pictured else ""
    shown = f"{likes} 赞" if style.lang == "zh" else f"{likes} likes"
    count = parts.value(shown, ("likes", author, likes, ""), "mu sm")
    react = parts.icon(words, "like", of=author) if style.rich else ""
    foot = parts.box(parts.sided(style, react, count), "row") if style.rich else ""
    side = "" if style.rich else count
    return parts.box(head + parts.shuffled(rng, [line, art]) + foot + side, "card col", "gap:.15em;flex:none")
