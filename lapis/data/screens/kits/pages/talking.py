"""Pages where people talk: chat, contacts, calls, mail, writing, posts, comments, notices and articles"""

from __future__ import annotations

from lapis.data.screens.kits.describe import (
    Page,
    buttons,
    common_overlays,
    dialog,
    entry,
    heading,
    hue,
    icon,
    part,
    row,
    rows,
    sheet,
    text,
)
from lapis.data.screens.kits.pages.device import nav
from lapis.data.screens.kits.say import Say


def chats(say: Say, wide: bool) -> Page:
    """Who wrote last, with unread counts."""
    items = []
    for _ in range(say.rng.randrange(6, 9) + 3 * wide):
        name, unread = say.full_name(), say.number(1, 36) if say.rng.random() < 0.5 else 0
        more = {"badge": unread, "fact": ("unread", name, unread, "")} if unread else {}
        items.append(row(name, note=say.message(), value=say.clock(), avatar=hue(say.rng), **more))
    body = [part("search", hint=say.ui("Search chats", "搜索"), value=""), rows(items)]
    tabs = [
        ("chat", say.ui("Messages", "消息")),
        ("person-lines-fill", say.ui("Contacts", "通讯录")),
        ("compass", say.ui("Explore", "发现")),
        ("person", say.ui("Me", "我")),
    ]
    return Page(say.ui("Chats", "聊天"), body, False, ["plus-lg"], tabs, overlays=common_overlays(say), typed=True)


def chat(say: Say, wide: bool) -> Page:
    """What two people wrote, and a field to go on."""
    name = say.full_name()
    told = [{"mine": say.rng.random() < 0.5, "words": say.message()} for _ in range(say.rng.randrange(6, 10))]
    body = [part("bubbles", time=say.clock(), items=told, hue=hue(say.rng))]
    foot = [
        part(
            "compose",
            hint=say.ui("Message", "输入消息"),
            send=say.ui("Send", "发送"),
            icons=[icon(say, "emoji-smile"), icon(say, "mic")],
        )
    ]
    return Page(name, body, True, ["telephone", "camera-video"], foot=foot, overlays=common_overlays(say), typed=True)


def contacts(say: Say, wide: bool) -> Page:
    """People by letter, each with a call."""
    call = say.ui("Call", "呼叫")
    people = sorted({say.full_name() for _ in range(9 + 4 * wide)})
    items = [row(name, note=say.pick("job", "city"), avatar=hue(say.rng), button=call) for name in people]
    cut = say.rng.randrange(2, 5)
    body = [
        part("search", hint=say.ui("Search people", "搜索联系人"), value=""),
        rows(items[:cut], say.ui("Favourites", "常用联系人")),
        rows(items[cut:], say.ui("Everyone", "全部联系人")),
    ]
    return Page(
        say.ui("Contacts", "通讯录"), body, False, ["plus-lg"], nav(say), overlays=common_overlays(say), typed=True
    )


def calls(say: Say, wide: bool) -> Page:
    """Calls that came and went."""
    ways = (("Missed", "未接"), ("Incoming", "呼入"), ("Outgoing", "呼出"))
    items = []
    for _ in range(7 + 2 * wide):
        name, time = say.full_name(), say.clock()
        items.append(
            row(
                name,
                note=say.rng.choice(ways)[say.lang == "zh"],
                value=time,
                icon="telephone",
                fact=("time", name, time, ""),
            )
        )
    body = [
        part("tabs", names=[say.ui("All calls", "全部通话"), say.ui("Missed calls", "未接来电")], at=0),
        rows(items),
    ]
    return Page(say.ui("Recents", "最近通话"), body, False, ["search"], nav(say), overlays=common_overlays(say))


def inbox(say: Say, wide: bool) -> Page:
    """Letters with sender, subject and time."""
    items = []
    for _ in range(6 + 4 * wide):
        name, subject = say.full_name(), say.title()
        items.append(
            row(
                name,
                note=subject,
                value=say.clock(),
                avatar=hue(say.rng),
                strong=say.rng.random() < 0.4,
                notefact=("subject", name, subject, ""),
            )
        )
    tabs = [
        ("inbox", say.ui("Inbox", "收件箱")),
        ("star", say.ui("Starred", "星标")),
        ("send", say.ui("Sent", "已发送")),
        ("file-earmark", say.ui("Drafts", "草稿箱")),
    ]
    body = [part("search", hint=say.ui("Search mail", "搜索邮件"), value=""), rows(items)]
    foot = [buttons(say.ui("Compose", "写邮件"))]
    return Page(say.ui("Mail", "邮箱"), body, False, ["list"], tabs, foot, common_overlays(say), typed=True)


def mail(say: Say, wide: bool) -> Page:
    """One letter, read."""
    sender = say.full_name()
    file = f"{say.pick('study')}.pdf"
    body = [
        heading(say.title()),
        part("person", name=sender, note=say.day(), hue=hue(say.rng), small=True),
        text(say.sentences(3)),
        text(say.sentences(4)),
        text(say.sentences(2)),
        rows(
            [row(file, note=f"{say.number(12, 900)} KB", icon="file-earmark-pdf", button=say.ui("Open", "打开"))],
            say.ui("Attachments", "附件"),
        ),
        buttons(say.ui("Reply", "回复"), say.ui("Forward", "转发")),
    ]
    return Page(
        say.ui("Letter", "邮件详情"), body, True, ["archive", "trash", "three-dots"], overlays=common_overlays(say)
    )


def compose(say: Say, wide: bool) -> Page:
    """An editor: to whom, about what, the text, and its tools."""
    tools = [
        icon(say, name) for name in ("type-bold", "type-italic", "type-underline", "list-ul", "image", "link-45deg")
    ]
    to, subject = say.full_name(), say.title()
    body = [
        part(
            "form",
            fields=[
                entry(say.ui("To", "收件人"), "", to),
                entry(
                    say.ui("Subject", "主题"),
                    say.ui("Add a subject", "添加主题"),
                    subject if say.rng.random() < 0.6 else "",
                ),
            ],
        ),
        part("tools", items=say.rng.sample(tools, say.rng.randrange(3, 7))),
        part(
            "form",
            fields=[
                entry(
                    say.ui("Text", "正文"),
                    say.ui("Write here", "在此输入正文"),
                    say.sentences(3) if say.rng.random() < 0.6 else "",
                    "area",
                )
            ],
        ),
    ]
    drop = dialog(
        say,
        say.ui("Discard draft?", "放弃草稿?"),
        say.ui("It is not saved.", "内容尚未保存。"),
        say.ui("Discard", "放弃"),
    )
    return Page(
        say.ui("New mail", "新邮件"),
        body,
        True,
        ["paperclip", "send"],
        overlays=[drop, *common_overlays(say)],
        typed=True,
    )


def feed(say: Say, wide: bool) -> Page:
    """Posts with pictures and counts."""
    posts = []
    for likes in say.numbers(3 + wide, 3, 800):
        name = say.full_name()
        posts.append(
            part(
                "post",
                name=name,
                note=f"{say.pick('city')} · {say.clock()}",
                words=say.sentences(2),
                hue=hue(say.rng),
                picture=say.title() if say.rng.random() < 0.7 else "",
                likes=likes,
                fact=("likes", name, likes, ""),
                actions=[icon(say, one) for one in ("hand-thumbs-up", "chat", "share")],
            )
        )
    names = say.some((("Following", "关注"), ("For you", "推荐"), ("Nearby", "附近"), ("Hot", "热榜")), 3)
    return Page(
        say.ui("Feed", "动态"),
        [part("tabs", names=names, at=say.rng.randrange(3)), *posts],
        False,
        ["camera"],
        nav(say),
        overlays=common_overlays(say),
    )


def comments(say: Say, wide: bool) -> Page:
    """What people answered, with a field for more."""
    items = []
    for likes in say.numbers(4 + wide * 2, 1, 99):
        name = say.full_name()
        items.append(
            part(
                "comment",
                name=name,
                note=say.clock(),
                words=say.message(),
                hue=hue(say.rng),
                likes=likes,
                fact=("likes", name, likes, ""),
                reply=say.ui("Reply", "回复"),
            )
        )
    foot = [part("compose", hint=say.ui("Say something", "说点什么"), send=say.ui("Post", "发布"))]
    return Page(
        say.ui("Comments", "评论"), items, True, ["three-dots"], foot=foot, overlays=common_overlays(say), typed=True
    )


def notices(say: Say, wide: bool) -> Page:
    """What happened, with ways to answer."""
    icons = ("bell", "gift", "truck", "person-plus", "calendar", "shield", "heart", "credit-card")
    items = [
        row(
            say.title(), note=say.message(), value=say.clock(), icon=say.rng.choice(icons), arrow=say.rng.random() < 0.4
        )
        for _ in range(6 + 3 * wide)
    ]
    body = [
        part("tabs", names=[say.ui("Unread", "未读"), say.ui("Everything", "全部")], at=say.rng.randrange(2)),
        rows(items),
        buttons(say.ui("Mark all as read", "全部已读")),
    ]
    return Page(say.ui("Notifications", "通知中心"), body, True, ["gear"], overlays=common_overlays(say))


def article(say: Say, wide: bool) -> Page:
    """A text to read, with a picture."""
    body = [
        heading(say.title()),
        text(f"{say.full_name()} · {say.day()}", "muted"),
        part("picture", name=say.title(), hue=hue(say.rng), height=160),
    ]
    for _ in range(say.rng.randrange(3, 6)):
        body.append(text(say.sentences(say.rng.randrange(2, 5))))
    body.append(part("chips", name="", names=[say.pick("hobby", "study", "nature") for _ in range(3)], at=-1))
    body.append(
        rows(
            [row(say.title(), note=say.day(), picture=hue(say.rng)) for _ in range(2)], say.ui("Read next", "相关阅读")
        )
    )
    return Page(
        say.ui("News", "资讯"),
        body,
        True,
        ["share", "bookmark"],
        overlays=[
            sheet(say, say.some((("Save picture", "保存图片"), ("Copy link", "复制链接"), ("Report", "举报")), 3)),
            *common_overlays(say),
        ],
    )
