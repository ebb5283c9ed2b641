"""Pages of a device and an account: settings, networks, storage, alarms, profile, signing in and up, about"""

from __future__ import annotations

from lapis.data.screens.kits.describe import (
    Page,
    buttons,
    common_overlays,
    dialog,
    entry,
    entry_row,
    hue,
    part,
    row,
    rows,
    sheet,
)
from lapis.data.screens.kits.say import Pair, Say

SWITCHES: tuple[tuple[str, str, str], ...] = (
    ("airplane", "Airplane mode", "飞行模式"),
    ("bluetooth", "Bluetooth", "蓝牙"),
    ("moon", "Dark mode", "深色模式"),
    ("geo-alt", "Location", "定位服务"),
    ("brightness-high", "Auto-brightness", "自动亮度"),
    ("wifi", "Wi-Fi", "无线网络"),
    ("battery-half", "Battery saver", "省电模式"),
    ("bell", "Notifications", "通知"),
    ("lock", "App lock", "应用锁"),
    ("cloud", "Cloud backup", "云备份"),
    ("volume-up", "Key sounds", "按键音"),
    ("phone-vibrate", "Vibrate", "振动"),
    ("broadcast", "Hotspot", "个人热点"),
    ("cast", "Screen cast", "投屏"),
    ("shield", "Safe browsing", "安全浏览"),
    ("eye", "Eye comfort", "护眼模式"),
    ("arrow-repeat", "Auto-sync", "自动同步"),
    ("sim", "Mobile data", "移动数据"),
)
LINKS: tuple[tuple[str, str, str], ...] = (
    ("palette", "Wallpaper", "壁纸"),
    ("hdd", "Storage", "存储空间"),
    ("translate", "Language", "语言"),
    ("person", "Accounts", "账号管理"),
    ("shield-check", "Privacy", "隐私"),
    ("question-circle", "Help and feedback", "帮助与反馈"),
    ("info-circle", "About phone", "关于手机"),
    ("key", "Passwords", "密码管理"),
    ("grid", "Apps", "应用管理"),
    ("printer", "Printing", "打印"),
    ("keyboard", "Keyboard", "键盘"),
    ("clock", "Date and time", "日期和时间"),
    ("display", "Display", "显示"),
    ("people", "Family", "家庭共享"),
    ("credit-card", "Payments", "支付设置"),
)
CHOSEN: tuple[tuple[str, Pair, tuple[Pair, ...]], ...] = (
    ("translate", ("Language", "语言"), (("English", "简体中文"), ("French", "法语"), ("German", "德语"))),
    ("fonts", ("Text size", "字体大小"), (("Small", "小"), ("Medium", "中"), ("Large", "大"))),
    ("clock", ("Sleep after", "自动息屏"), (("30 s", "30秒"), ("2 min", "2分钟"), ("Never", "永不"))),
    ("palette", ("Theme", "主题"), (("Classic", "经典"), ("Forest", "森林"), ("Ocean", "海洋"))),
)
NAV: tuple[tuple[str, str, str], ...] = (
    ("house", "Home", "首页"),
    ("compass", "Explore", "发现"),
    ("chat", "Messages", "消息"),
    ("person", "Me", "我的"),
    ("cart", "Basket", "购物车"),
    ("grid", "All", "分类"),
    ("bell", "Alerts", "提醒"),
    ("heart", "Liked", "喜欢"),
)


def nav(say: Say, count: int = 4) -> list[tuple[str, str]]:
    """Names of a bottom bar."""
    drawn = say.rng.sample(NAV, count)
    return [(icon, say.ui(en, zh)) for icon, en, zh in drawn]


def settings(say: Say, wide: bool) -> Page:
    """Groups of rows with switches, values and arrows."""
    rng = say.rng
    switches = [
        row(say.ui(en, zh), icon=icon, switch=rng.random() < 0.5) for icon, en, zh in rng.sample(SWITCHES, 4 + 3 * wide)
    ]
    links = [row(say.ui(en, zh), icon=icon, arrow=True) for icon, en, zh in rng.sample(LINKS, rng.randrange(3, 6))]
    for icon, name, values in rng.sample(CHOSEN, 2):
        shown, value = say.ui(*name), say.one(values)
        if shown not in {link["name"] for link in links}:
            links.append(row(shown, icon=icon, value=value, arrow=True, fact=("entry", shown, value, "")))
    body = [rows(switches[:4]), rows(links, say.one((("General", "通用"), ("System", "系统"), ("More", "更多"))))]
    if wide:
        body.append(rows(switches[4:], say.ui("Advanced", "高级")))
    if rng.random() < 0.4:
        who = say.full_name()
        body.insert(0, rows([row(who, note=say.ui("Account and security", "账号与安全"), avatar=hue(rng), arrow=True)]))
    return Page(say.ui("Settings", "设置"), body, rng.random() < 0.6, ["search"], overlays=common_overlays(say))


def network(say: Say, wide: bool) -> Page:
    """The networks around, one of them joined."""
    rng = say.rng
    found = [f"{say.pick('place', 'city')}-{say.code()}" for _ in range(rng.randrange(5, 8 + 3 * wide))]
    joined = row(found[0], note=say.ui("Connected", "已连接"), icon="wifi", value="✓")
    others = [
        row(name, icon=rng.choice(("wifi", "wifi-2", "wifi-1")), tag="5G" if rng.random() < 0.3 else "", arrow=True)
        for name in found[1:]
    ]
    body = [
        rows(
            [
                row(say.ui("Wi-Fi", "无线网络"), switch=True),
                row(say.ui("Join quietly", "自动加入"), switch=rng.random() < 0.5),
            ]
        ),
        rows([joined], say.ui("Joined", "当前网络")),
        rows(others, say.ui("Networks nearby", "附近网络")),
    ]
    asked = {
        "t": "prompt",
        "title": found[1],
        "hint": say.ui("Password", "密码"),
        "yes": say.ui("Join", "加入"),
        "no": say.ui("Cancel", "取消"),
    }
    return Page("WLAN", body, True, ["arrow-repeat"], overlays=[asked, *common_overlays(say)], typed=True)


def storage(say: Say, wide: bool) -> Page:
    """How full the device is, and with what."""
    names = say.some(
        (
            ("Photos", "照片"),
            ("Apps", "应用"),
            ("Videos", "视频"),
            ("Music", "音乐"),
            ("Documents", "文档"),
            ("System data", "系统数据"),
            ("Mail", "邮件"),
            ("Trash", "回收站"),
        ),
        5 + wide,
    )
    sizes = say.numbers(len(names), 12, 900)
    items = [
        row(name, value=f"{size} MB", arrow=True, fact=("size", name, size, "MB"))
        for name, size in zip(names, sizes, strict=True)
    ]
    used = say.number(20, 95)
    body = [
        part(
            "progress",
            name=say.ui("Used", "已用空间"),
            value=used,
            fact=("level", say.ui("Used", "已用空间"), used, "%"),
        ),
        rows(items, say.ui("What takes space", "空间占用")),
        buttons(say.ui("Clean up", "立即清理"), say.ui("Details", "查看详情")),
    ]
    return Page(say.ui("Storage", "存储空间"), body, True, overlays=common_overlays(say))


def alarms(say: Say, wide: bool) -> Page:
    """Alarms, each with its switch."""
    rng = say.rng
    days = (
        ("Every day", "每天"),
        ("Weekdays", "工作日"),
        ("Weekend", "周末"),
        ("Once", "仅一次"),
        ("Mon, Wed", "周一、周三"),
    )
    times = sorted({say.clock() for _ in range(rng.randrange(4, 7 + 2 * wide))})
    items = [
        row(
            time,
            note=" ".join((say.pick("act"), say.rng.choice(days)[say.lang == "zh"])),
            large=True,
            switch=rng.random() < 0.5,
        )
        for time in times
    ]
    tabs = [
        ("alarm", say.ui("Alarm", "闹钟")),
        ("globe", say.ui("World", "世界时钟")),
        ("stopwatch", say.ui("Stopwatch", "秒表")),
        ("hourglass", say.ui("Timer", "计时器")),
    ]
    return Page(say.ui("Alarms", "闹钟列表"), [rows(items)], False, ["plus-lg"], tabs, overlays=common_overlays(say))


def profile(say: Say, wide: bool) -> Page:
    """Who is signed in, counts, orders and ways to more."""
    rng, name = say.rng, say.full_name()
    labels = say.some(
        (("Posts", "动态"), ("Followers", "粉丝"), ("Following", "关注"), ("Coupons", "优惠券"), ("Points", "积分")), 3
    )
    stats = [
        {"name": one, "value": amount, "fact": ("count", one, amount, "")}
        for one, amount in zip(labels, say.numbers(3, 3, 900), strict=True)
    ]
    grid = [
        ("wallet2", "To pay", "待付款"),
        ("box", "To ship", "待发货"),
        ("truck", "On the way", "待收货"),
        ("star", "To review", "待评价"),
    ]
    links = [
        row(say.ui(en, zh), icon=icon, arrow=True)
        for icon, en, zh in (
            ("geo-alt", "Addresses", "收货地址"),
            ("bookmark", "Bookmarks", "我的收藏"),
            ("clock-history", "History", "浏览记录"),
            ("headset", "Support", "联系客服"),
            ("gear", "Preferences", "偏好设置"),
            ("gift", "Invite friends", "邀请好友"),
        )
    ]
    body = [
        part("person", name=name, note=say.message(), hue=hue(rng)),
        part("stats", items=stats),
        part("grid", columns=4, items=[{"icon": icon, "name": say.ui(en, zh)} for icon, en, zh in grid]),
        rows(rng.sample(links, rng.randrange(4, 7))),
    ]
    return Page(
        say.ui("Profile", "个人中心"), body, False, ["gear", "upc-scan"], nav(say), overlays=common_overlays(say)
    )


def login(say: Say, wide: bool) -> Page:
    """A name, a password, a way in, and links."""
    rng = say.rng
    who = say.one((("Email", "邮箱"), ("Phone number", "手机号"), ("Username", "用户名")))
    typed = say.pick("given").lower() if rng.random() < 0.4 else ""
    body = [
        part("brand", name=say.title(), note=say.ui("Welcome back", "欢迎回来"), hue=hue(rng)),
        part(
            "form",
            fields=[
                entry(who, say.ui("Enter it here", "请输入"), typed),
                entry(say.ui("Password", "密码"), say.ui("At least 8 characters", "至少8位"), kind="password"),
            ],
        ),
        part("checks", items=[{"name": say.ui("Remember me", "记住我"), "on": rng.random() < 0.5}]),
        buttons(say.ui("Sign in", "登录"), say.ui("Use a code", "验证码登录"), stack=True),
        part("links", names=[say.ui("Forgot password?", "忘记密码"), say.ui("Create account", "注册账号")]),
    ]
    wrong = dialog(
        say,
        say.ui("Cannot sign in", "登录失败"),
        say.ui("Name or password is wrong.", "账号或密码错误。"),
        say.ui("Try again", "重试"),
    )
    return Page(
        say.ui("Sign in", "登录"), body, rng.random() < 0.5, bare=rng.random() < 0.5, overlays=[wrong], typed=True
    )


def register(say: Say, wide: bool) -> Page:
    """A longer form with a choice and a box to tick."""
    rng = say.rng
    known = {"city": say.pick("city"), "name": say.full_name()}
    fields = [
        entry(
            say.ui("Full name", "姓名"),
            say.ui("As in your passport", "请填写真实姓名"),
            known["name"] if rng.random() < 0.5 else "",
        ),
        entry(say.ui("Email address", "邮箱地址"), "name@mail.com"),
        entry(say.ui("Mobile", "手机号码"), say.ui("11 digits", "11位数字")),
        entry(
            say.ui("City", "所在城市"),
            say.ui("Choose", "请选择"),
            known["city"] if rng.random() < 0.6 else "",
            "select",
        ),
        entry(
            say.ui("Birthday", "出生日期"), say.ui("Choose", "请选择"), say.day() if rng.random() < 0.5 else "", "date"
        ),
        entry(say.ui("New password", "设置密码"), say.ui("8 to 20 characters", "8到20位"), kind="password"),
    ]
    body = [
        part("form", fields=fields),
        part(
            "radios",
            name=say.ui("Account type", "账号类型"),
            at=rng.randrange(2),
            names=[say.ui("Personal", "个人"), say.ui("Business", "企业")],
        ),
        part("checks", items=[{"name": say.ui("I agree to the terms", "同意用户协议"), "on": rng.random() < 0.5}]),
        buttons(say.ui("Create account", "立即注册"), stack=True),
        part("links", names=[say.ui("I have an account", "已有账号")]),
    ]
    picks = sheet(say, [say.pick("city") for _ in range(4)], say.ui("City", "所在城市"))
    return Page(say.ui("Sign up", "注册"), body, True, overlays=[picks, *common_overlays(say)], typed=True)


def about(say: Say, wide: bool) -> Page:
    """What an app is, and facts about it."""
    name = say.title()
    version = f"{say.rng.randrange(1, 9)}.{say.rng.randrange(20)}.{say.rng.randrange(9)}"
    facts = [
        entry_row(say, say.ui("Version", "版本"), version),
        entry_row(say, say.ui("Updated", "更新日期"), say.day()),
        entry_row(say, say.ui("Developer", "开发者"), say.full_name()),
    ]
    links = [
        row(say.ui(en, zh), arrow=True)
        for en, zh in (
            ("What is new", "更新内容"),
            ("Terms of use", "用户协议"),
            ("Privacy policy", "隐私政策"),
            ("Licences", "开源许可"),
            ("Rate the app", "给个好评"),
            ("Contact us", "联系我们"),
        )
    ]
    body = [
        part("brand", name=name, note=version, hue=hue(say.rng)),
        rows(facts),
        rows(say.rng.sample(links, say.rng.randrange(3, 7))),
        buttons(say.ui("Check for updates", "检查更新")),
    ]
    return Page(say.ui("About", "关于"), body, True, overlays=common_overlays(say))
