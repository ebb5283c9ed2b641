"""Pages for work: dashboard, table, calendar, steps, files, tasks, survey, members and downloads"""

from __future__ import annotations

from lapis.data.screens.kits.describe import (
    Page,
    buttons,
    common_overlays,
    dialog,
    entry,
    heading,
    hue,
    part,
    row,
    rows,
)
from lapis.data.screens.kits.pages.device import nav
from lapis.data.screens.kits.say import Pair, Say

MEASURES: tuple[Pair, ...] = (
    ("Orders", "订单数"),
    ("Visitors", "访客数"),
    ("Sales", "销售额"),
    ("Tickets", "工单"),
    ("Signups", "注册数"),
    ("Refunds", "退款"),
    ("Open tasks", "待办任务"),
    ("Alerts", "告警"),
    ("Uptime days", "运行天数"),
    ("Reviews", "评价数"),
)


def dashboard(say: Say, wide: bool) -> Page:
    """Numbers, bars and a short list."""
    names = say.some(MEASURES, 4)
    stats = [
        {"name": name, "value": value, "fact": ("count", name, value, "")}
        for name, value in zip(names, say.numbers(4, 12, 990), strict=True)
    ]
    shown = [say.pick("city", "transport") for _ in range(5)]
    bars = [{"name": name, "value": value} for name, value in zip(shown, say.numbers(5, 8, 99), strict=True)]
    done = say.number(10, 98)
    goal = say.ui("Goal", "目标完成度")
    body = [
        part("stats", items=stats),
        part("bars", name=say.ui("By region", "区域分布"), items=bars),
        part("progress", name=goal, value=done, fact=("level", goal, done, "%")),
        rows(
            [row(say.full_name(), note=say.title(), value=say.clock(), avatar=hue(say.rng)) for _ in range(3)],
            say.ui("Latest", "最新动态"),
        ),
    ]
    return Page(
        say.ui("Overview", "数据看板"), body, False, ["calendar", "download"], nav(say), overlays=common_overlays(say)
    )


def table(say: Say, wide: bool) -> Page:
    """Rows of a table with numbers, a search and pages."""
    item, count = (
        say.one((("Product", "商品"), ("City", "城市"), ("Team", "团队"))),
        say.one((("Stock", "库存"), ("Amount", "数量"), ("Score", "得分"))),
    )
    field = "score" if count in ("Score", "得分") else "count"
    columns = [
        item,
        count,
        *([say.ui("Owner", "负责人"), say.ui("Updated", "更新时间")] if wide else [say.ui("Day", "日期")]),
    ]
    lines = []
    for value in say.numbers(6 + 3 * wide, 10, 990):
        name = say.pick("goods", "city", "food")
        rest = [say.full_name(), say.day()] if wide else [say.day()]
        lines.append([name, {"words": str(value), "fact": (field, name, value, "")}, *rest])
    body = [
        part("search", hint=say.ui("Search table", "搜索表格"), value=""),
        buttons(say.ui("New", "新建"), say.ui("Export", "导出"), small=True),
        part("table", columns=columns, rows=lines),
        part(
            "pages",
            count=say.rng.randrange(3, 9),
            at=say.rng.randrange(1, 3),
            back=say.ui("Previous page", "上一页"),
            on=say.ui("Next page", "下一页"),
        ),
    ]
    return Page(
        say.ui("Inventory", "数据列表"),
        body,
        False,
        ["filter", "arrow-repeat"],
        nav(say),
        overlays=common_overlays(say),
        typed=True,
    )


def calendar(say: Say, wide: bool) -> Page:
    """A month, and what is on that day."""
    month, days = say.rng.randrange(1, 13), say.rng.choice((28, 30, 31))
    names = (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    )
    title = f"2026年{month}月" if say.lang == "zh" else f"{names[month - 1]} 2026"
    week = list("日一二三四五六") if say.lang == "zh" else ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"]
    events = []
    for _ in range(say.rng.randrange(2, 5)):
        name, time = say.title(), say.clock()
        events.append(row(name, note=say.pick("place"), value=time, fact=("time", name, time, ""), icon="clock"))
    body = [
        part(
            "calendar",
            title=title,
            week=week,
            days=days,
            first=say.rng.randrange(7),
            at=say.rng.randrange(1, days + 1),
            back=say.ui("Previous month", "上个月"),
            on=say.ui("Next month", "下个月"),
        ),
        rows(events, say.ui("Events", "日程")),
    ]
    return Page(say.ui("Calendar", "日历"), body, False, ["search", "plus-lg"], nav(say), overlays=common_overlays(say))


def wizard(say: Say, wide: bool) -> Page:
    """One step of several, with a form."""
    steps = say.some(
        (
            ("Basics", "基本信息"),
            ("Contact", "联系方式"),
            ("Check", "核对"),
            ("Finish", "完成"),
            ("Upload", "上传材料"),
        ),
        4,
    )
    fields = [
        entry(say.ui("Company", "公司名称"), say.ui("Required", "必填"), say.title() if say.rng.random() < 0.5 else ""),
        entry(
            say.ui("Role", "职位"),
            say.ui("Choose one", "请选择"),
            say.pick("job") if say.rng.random() < 0.6 else "",
            "select",
        ),
        entry(
            say.ui("Start date", "开始日期"),
            say.ui("Pick a day", "选择日期"),
            say.day() if say.rng.random() < 0.5 else "",
            "date",
        ),
        entry(say.ui("About you", "自我介绍"), say.ui("A few words", "简单介绍一下"), kind="area"),
    ]
    body = [
        part("steps", names=steps, at=say.rng.randrange(3)),
        heading(say.ui("Tell us more", "请填写以下信息")),
        part("form", fields=fields),
        part(
            "radios",
            name=say.ui("Work place", "工作地点"),
            names=say.some((("Office", "办公室"), ("At home", "居家"), ("Mixed", "混合")), 3),
            at=say.rng.randrange(3),
        ),
    ]
    foot = [buttons(say.ui("Continue", "下一步"), say.ui("Go back", "上一步"))]
    return Page(say.ui("Apply", "申请"), body, True, foot=foot, overlays=common_overlays(say), typed=True)


def files(say: Say, wide: bool) -> Page:
    """Folders and files with their sizes."""
    folders = [
        row(
            say.pick("study", "hobby", "tech"),
            note=f"{say.rng.randrange(2, 90)} {'项' if say.lang == 'zh' else 'items'}",
            icon="folder-fill",
            arrow=True,
        )
        for _ in range(3)
    ]
    kinds = (
        ("pdf", "file-earmark-pdf"),
        ("jpg", "file-earmark-image"),
        ("zip", "file-earmark-zip"),
        ("mp3", "file-earmark-music"),
        ("txt", "file-earmark-text"),
    )
    items = []
    for size in say.numbers(5 + 3 * wide, 10, 900):
        end, shape = say.rng.choice(kinds)
        name = f"{say.pick('study', 'goods', 'nature', 'music')}.{end}"
        items.append(row(name, note=say.day(), icon=shape, value=f"{size} MB", fact=("size", name, size, "MB")))
    body = [part("crumbs", names=[say.ui("All files", "全部文件"), say.pick("study")]), rows(folders), rows(items)]
    return Page(
        say.ui("Files", "文件管理"),
        body,
        True,
        ["search", "folder-plus", "grid"],
        nav(say),
        overlays=common_overlays(say),
    )


def tasks(say: Say, wide: bool) -> Page:
    """Things to do, each with a box to tick."""
    items = [
        row(
            f"{say.pick('act')}{'' if say.lang == 'zh' else ' the '}{say.pick('goods', 'tech')}",
            note=say.day(),
            check=say.rng.random() < 0.4,
            tag=say.ui("Urgent", "紧急") if say.rng.random() < 0.2 else "",
        )
        for _ in range(7 + 3 * wide)
    ]
    names = say.some((("Today", "今天"), ("Planned", "计划"), ("Finished", "已完成"), ("Shared", "共享")), 3)
    body = [part("tabs", names=names, at=say.rng.randrange(3)), rows(items)]
    foot = [part("compose", hint=say.ui("New task", "新建任务"), send=say.ui("Add", "添加"))]
    return Page(
        say.ui("To do", "待办"), body, False, ["three-dots"], foot=foot, overlays=common_overlays(say), typed=True
    )


def survey(say: Say, wide: bool) -> Page:
    """Questions with choices, stars and a text."""
    rng = say.rng
    often = say.some(
        (("Every day", "每天"), ("Every week", "每周"), ("Every month", "每月"), ("Hardly ever", "很少")), 4
    )
    liked = [{"name": say.pick("food", "hobby", "music"), "on": rng.random() < 0.4} for _ in range(4)]
    stars = say.ui("Service", "服务评分")
    body = [
        part("progress", name=say.ui("Progress", "答题进度"), value=say.number(10, 90), fact=None),
        part("radios", name=say.ui("How often do you visit?", "您多久来一次?"), names=often, at=rng.randrange(4)),
        part("checks", name=say.ui("What do you like?", "您喜欢什么?"), items=liked),
        part("rate", name=stars, value=rng.randrange(1, 6)),
        part(
            "form", fields=[entry(say.ui("Anything else?", "其他建议"), say.ui("Your answer", "请输入"), kind="area")]
        ),
        buttons(say.ui("Submit", "提交"), say.ui("Save draft", "保存草稿")),
    ]
    return Page(say.ui("Survey", "问卷调查"), body, True, overlays=common_overlays(say), typed=True)


def members(say: Say, wide: bool) -> Page:
    """People of a team with their roles, and ways to manage them."""
    roles = (("Owner", "所有者"), ("Editor", "编辑者"), ("Viewer", "查看者"))
    items = [
        row(
            say.full_name(),
            note=say.pick("job"),
            avatar=hue(say.rng),
            tag=say.rng.choice(roles)[say.lang == "zh"],
            button=say.ui("Remove", "移除"),
        )
        for _ in range(6 + 2 * wide)
    ]
    gone = dialog(say, say.ui("Remove member?", "移除成员?"), items[0]["name"], say.ui("Yes, remove", "确认移除"))
    body = [
        buttons(say.ui("Invite", "邀请成员"), say.ui("Copy invite link", "复制邀请链接")),
        rows(items, say.ui("Team", "团队成员")),
    ]
    return Page(say.ui("Members", "成员管理"), body, True, ["search"], overlays=[gone, *common_overlays(say)])


def downloads(say: Say, wide: bool) -> Page:
    """What is being fetched, and how far it is."""
    parts_ = []
    for done in say.numbers(4 + 2 * wide, 5, 99):
        name = f"{say.pick('tech', 'music', 'study')}.{say.rng.choice(('zip', 'mp4', 'apk'))}"
        parts_.append(part("progress", name=name, value=done, fact=("level", name, done, "%")))
    body = [
        part("tabs", names=[say.ui("Running", "下载中"), say.ui("Complete", "已完成")], at=0),
        *parts_,
        buttons(say.ui("Pause all", "全部暂停"), say.ui("Clear list", "清空列表")),
    ]
    return Page(say.ui("Downloads", "下载管理"), body, True, ["trash"], overlays=common_overlays(say))
