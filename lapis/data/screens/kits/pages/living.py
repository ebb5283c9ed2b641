"""Pages of everyday life: map, player, video, pictures, weather, bank, health, travel, flights, hotel and ticket"""

from __future__ import annotations

from lapis.data.screens.kits.describe import (
    Page,
    Part,
    buttons,
    common_overlays,
    entry,
    entry_row,
    heading,
    hue,
    icon,
    part,
    row,
    rows,
    text,
)
from lapis.data.screens.kits.pages.device import nav
from lapis.data.screens.kits.say import Pair, Say

SKIES: tuple[tuple[str, str, str], ...] = (
    ("sun", "Sunny", "晴"),
    ("cloud", "Cloudy", "多云"),
    ("cloud-rain", "Rain", "小雨"),
    ("cloud-snow", "Snow", "小雪"),
    ("wind", "Windy", "大风"),
    ("cloud-lightning", "Storms", "雷阵雨"),
)


def places(say: Say, wide: bool) -> Page:
    """A map with pins, and places below it with how far they are."""
    items = []
    for minutes in say.numbers(3 + wide, 4, 59):
        name = say.title() if say.rng.random() < 0.3 else say.pick("place")
        items.append(
            row(
                name,
                note=say.pick("city"),
                value=f"{minutes} min",
                icon="geo-alt",
                fact=("minutes", name, minutes, "min"),
                button=say.ui("Route", "路线"),
            )
        )
    body = [
        part("search", hint=say.ui("Where to?", "搜索地点"), value=""),
        part(
            "map",
            hue=hue(say.rng),
            pins=[say.pick("place") for _ in range(3)],
            icons=[icon(say, "crosshair"), icon(say, "layers")],
        ),
        rows(items, say.ui("Nearby", "附近")),
    ]
    return Page(say.ui("Map", "地图"), body, False, [], nav(say), overlays=common_overlays(say), typed=True)


def player(say: Say, wide: bool) -> Page:
    """A song, its buttons, and what comes next."""
    song, singer = say.title(), say.full_name()
    keys = [icon(say, one) for one in ("shuffle", "skip-backward-fill", "pause-fill", "skip-forward-fill", "repeat")]
    queue = []
    for plays in say.numbers(3 + wide, 10, 990):
        name = say.title()
        queue.append(row(name, note=say.pick("music"), value=str(plays), fact=("plays", name, plays, "")))
    body = [
        part("picture", name=song, hue=hue(say.rng), height=220),
        part("brand", name=song, note=singer, hue=-1),
        part("slider", name=say.ui("Position", "播放进度"), value=say.number(5, 95), fact=None),
        part("tools", items=keys, big=True),
        rows(queue, say.ui("Up next", "播放列表")),
    ]
    return Page(say.ui("Now playing", "正在播放"), body, True, ["heart", "share"], overlays=common_overlays(say))


def video(say: Say, wide: bool) -> Page:
    """A film, who made it, and what others watch."""
    name = say.full_name()
    follow = say.ui("Follow", "关注")
    more = [row(say.title(), note=say.full_name(), value=say.clock(), picture=hue(say.rng)) for _ in range(4 + wide)]
    body = [
        part("picture", name=say.title(), hue=hue(say.rng), height=190),
        heading(say.title()),
        rows([row(name, note=say.pick("job"), avatar=hue(say.rng), button=follow)]),
        part("tools", items=[icon(say, one) for one in ("hand-thumbs-up", "download", "share", "bookmark")]),
        part("tabs", names=[say.ui("Related", "相关推荐"), say.ui("Comments", "评论")], at=0),
        rows(more),
    ]
    return Page(say.ui("Video", "视频"), body, True, ["three-dots"], overlays=common_overlays(say))


def gallery(say: Say, wide: bool) -> Page:
    """Pictures in a grid by album."""
    body = [
        part(
            "tabs",
            names=[say.ui("Photos", "照片"), say.ui("Albums", "相册"), say.ui("Memories", "回忆")],
            at=say.rng.randrange(3),
        ),
        heading(say.day()),
        part("gallery", columns=3, names=[say.pick("nature", "animal", "place") for _ in range(6)], hue=hue(say.rng)),
        heading(say.pick("city")),
        part("gallery", columns=3, names=[say.pick("nature", "animal", "food") for _ in range(9)], hue=hue(say.rng)),
    ]
    return Page(
        say.ui("Gallery", "图库"), body, False, ["search", "three-dots"], nav(say), overlays=common_overlays(say)
    )


def weather(say: Say, wide: bool) -> Page:
    """Now, the hours, the days and some measures."""
    shape, en, zh = say.rng.choice(SKIES)
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
    names = list(days[say.lang == "zh"])
    start = say.rng.randrange(7)
    rest = []
    for number, value in enumerate(say.numbers(6, -5, 38)):
        name, sky = names[(start + number) % 7], say.rng.choice(SKIES)
        rest.append(
            row(
                name,
                icon=sky[0],
                note=sky[1 + (say.lang == "zh")],
                value=f"{value}°",
                fact=("temperature", name, value, "°"),
            )
        )
    measures = [say.ui("Humidity", "湿度"), say.ui("Wind", "风速"), say.ui("UV", "紫外线")]
    stats = [
        {"name": name, "value": value, "fact": ("level", name, value, "")}
        for name, value in zip(measures, say.numbers(3, 3, 95), strict=True)
    ]
    body = [
        part(
            "hero",
            name=say.pick("city"),
            words=f"{say.number(-5, 38)}°",
            note=say.ui(en, zh),
            icon=shape,
            hue=hue(say.rng),
        ),
        part("stats", items=stats),
        rows(rest, say.ui("This week", "未来天气")),
    ]
    return Page(say.ui("Weather", "天气"), body, False, ["plus-lg", "list"], overlays=common_overlays(say))


def bank(say: Say, wide: bool) -> Page:
    """An account: balance, ways, what was spent."""
    spent = []
    for amount in say.numbers(5 + 2 * wide, 3, 900):
        name = say.title() if say.rng.random() < 0.3 else say.pick("place", "food")
        spent.append(
            row(
                name,
                note=say.day(),
                value=f"-{say.money(amount)}",
                fact=("price", name, amount, say.sign),
                icon="credit-card",
            )
        )
    ways = [
        ("arrow-left-right", "Transfer", "转账"),
        ("qr-code", "Pay", "付款码"),
        ("receipt", "Bills", "账单"),
        ("piggy-bank", "Savings", "理财"),
        ("credit-card", "Cards", "银行卡"),
        ("phone", "Top up", "充值"),
        ("shield", "Insurance", "保险"),
        ("graph-up", "Funds", "基金"),
    ]
    body = [
        part(
            "hero",
            name=say.ui("Balance", "账户余额"),
            words=say.money(say.number(100, 9900)),
            note=f"**** {say.rng.randrange(1000, 9999)}",
            icon="",
            hue=hue(say.rng),
        ),
        part(
            "grid",
            columns=4,
            items=[
                {"icon": one, "name": say.ui(en, zh)} for one, en, zh in say.rng.sample(ways, say.rng.choice((4, 8)))
            ],
        ),
        rows(spent, say.ui("Spending", "最近交易")),
    ]
    return Page(
        say.ui("Account", "我的账户"), body, False, ["bell", "upc-scan"], nav(say), overlays=common_overlays(say)
    )


def transfer(say: Say, wide: bool) -> Page:
    """Money to somebody: who, how much, from what."""
    who = say.full_name()
    sums = [say.money(value) for value in sorted(say.numbers(4, 10, 500))]
    body = [
        part("person", name=who, note=f"**** {say.rng.randrange(1000, 9999)}", hue=hue(say.rng)),
        part(
            "form",
            fields=[
                entry(say.ui("Sum", "转账金额"), "0.00", str(say.number(10, 900)) if say.rng.random() < 0.5 else ""),
                entry(say.ui("Purpose", "转账说明"), say.ui("Optional", "选填")),
            ],
        ),
        part("chips", name=say.ui("Quick sums", "快捷金额"), names=list(dict.fromkeys(sums)), at=-1),
        rows(
            [
                row(say.ui("Pay from", "付款方式"), value=say.ui("Savings card", "储蓄卡"), arrow=True),
                row(say.ui("Arrive at once", "实时到账"), switch=say.rng.random() < 0.6),
            ]
        ),
        buttons(say.ui("Send money", "确认转账"), stack=True),
    ]
    return Page(say.ui("Transfer", "转账"), body, True, overlays=common_overlays(say), typed=True)


def health(say: Say, wide: bool) -> Page:
    """Steps, sleep and other measures, with goals."""
    pairs: tuple[tuple[str, Pair, str], ...] = (
        ("heart-pulse", ("Heart rate", "心率"), "bpm"),
        ("droplet", ("Water", "饮水"), "ml"),
        ("moon", ("Sleep", "睡眠"), "min"),
        ("fire", ("Calories", "卡路里"), "kcal"),
        ("activity", ("Exercise", "锻炼"), "min"),
        ("lungs", ("Oxygen", "血氧"), "%"),
    )
    chosen = say.rng.sample(pairs, 4 + wide)
    items = []
    for (shape, name, unit), value in zip(chosen, say.numbers(len(chosen), 20, 600), strict=True):
        shown = say.ui(*name)
        items.append(row(shown, icon=shape, value=f"{value} {unit}", arrow=True, fact=("level", shown, value, unit)))
    steps, done = say.ui("Steps", "步数"), say.number(10, 99)
    week = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"), ("一", "二", "三", "四", "五", "六", "日")
    bars = [
        {"name": name, "value": value}
        for name, value in zip(week[say.lang == "zh"], say.numbers(7, 8, 99), strict=True)
    ]
    body = [
        part("progress", name=steps, value=done, fact=("level", steps, done, "%")),
        part("bars", name=say.ui("Last seven days", "最近七天"), items=bars),
        rows(items, say.ui("Measures", "健康数据")),
        buttons(say.ui("Start a workout", "开始运动")),
    ]
    return Page(say.ui("Health", "健康"), body, False, ["plus-lg", "calendar"], nav(say), overlays=common_overlays(say))


def travel(say: Say, wide: bool) -> Page:
    """A search for a journey."""
    names = say.some(
        (("Flights", "机票"), ("Trains", "火车票"), ("Hotels", "酒店"), ("Cars", "租车"), ("Tours", "跟团游")), 4
    )
    count = say.ui("Travellers", "出行人数")
    number = say.rng.randrange(1, 6)
    body = [
        part("tabs", names=names, at=say.rng.randrange(4)),
        part(
            "form",
            fields=[
                entry(say.ui("From", "出发地"), "", say.pick("city"), "select"),
                entry(say.ui("Destination", "目的地"), say.ui("City", "城市"), say.pick("city"), "select"),
                entry(say.ui("Departure", "出发日期"), "", say.day(), "date"),
                entry(say.ui("Return date", "返程日期"), say.ui("Choose a day", "请选择日期"), "", "date"),
            ],
        ),
        rows(
            [
                row(count, count=number, fact=("count", count, number, "")),
                row(say.ui("Direct only", "仅看直达"), switch=say.rng.random() < 0.5),
            ]
        ),
        buttons(say.ui("Find trips", "开始搜索"), stack=True),
        rows(
            [row(say.pick("city"), note=say.day(), picture=hue(say.rng), arrow=True) for _ in range(2)],
            say.ui("Ideas", "热门目的地"),
        ),
    ]
    return Page(say.ui("Travel", "旅行"), body, False, ["bell"], nav(say), overlays=common_overlays(say), typed=True)


def flights(say: Say, wide: bool) -> Page:
    """Journeys to choose from, with price and time."""
    book = say.ui("Book", "预订")
    cards = []
    for price in say.numbers(4 + wide, 40, 990):
        name = say.code()
        cards.append(
            part(
                "card",
                name=name,
                note=f"{say.clock()} – {say.clock()}",
                value=say.money(price),
                fact=("price", name, price, say.sign),
                hue=-1,
                tag=say.rng.choice((("Direct", "直达"), ("One stop", "经停一次")))[say.lang == "zh"],
                names=[book],
            )
        )
    names = say.some((("Cheapest", "价格最低"), ("Fastest", "耗时最短"), ("Earliest", "最早出发")), 3)
    title = f"{say.pick('city')} – {say.pick('city')}"
    return Page(
        title,
        [part("chips", name="", names=names, at=say.rng.randrange(3)), *cards],
        True,
        ["filter"],
        overlays=common_overlays(say),
    )


def hotel(say: Say, wide: bool) -> Page:
    """A house, what it offers, and rooms with prices."""
    book = say.ui("Reserve", "预订")
    rooms: list[Part] = []
    for price in say.numbers(3 + wide, 40, 900):
        name = say.one(
            (
                ("Twin room", "双床房"),
                ("Double room", "大床房"),
                ("Suite", "套房"),
                ("Family room", "家庭房"),
                ("Single room", "单人间"),
            )
        )
        if name not in {one["name"] for one in rooms}:
            rooms.append(
                row(
                    name,
                    note=say.rng.choice(
                        (("Breakfast included", "含早餐"), ("No refund", "不可取消"), ("Lake view", "湖景"))
                    )[say.lang == "zh"],
                    value=say.money(price),
                    fact=("price", name, price, say.sign),
                    button=book,
                )
            )
    offers = say.some(
        (
            ("Pool", "泳池"),
            ("Parking", "停车场"),
            ("Gym", "健身房"),
            ("Free Wi-Fi", "免费无线"),
            ("Pets welcome", "可带宠物"),
            ("Spa", "水疗"),
        ),
        4,
    )
    body = [
        part("picture", name=say.title(), hue=hue(say.rng), height=170),
        heading(say.title()),
        part("rate", name=say.ui("Guest rating", "住客评分"), value=say.rng.randrange(2, 6)),
        part("chips", name=say.ui("Offers", "设施"), names=offers, at=-1),
        rows(rooms, say.ui("Rooms", "房型")),
        text(say.sentences(2), "muted"),
    ]
    return Page(say.ui("Hotel", "酒店"), body, True, ["heart", "share"], overlays=common_overlays(say))


def ticket(say: Say, wide: bool) -> Page:
    """A ticket for a journey."""
    facts = [
        entry_row(say, say.ui("Train", "车次"), say.code()),
        entry_row(say, say.ui("Seat", "座位"), f"{say.rng.randrange(1, 20)}{say.rng.choice('ABCDF')}"),
        entry_row(say, say.ui("Date", "日期"), say.day()),
        entry_row(say, say.ui("Passenger", "乘客"), say.full_name()),
        entry_row(say, say.ui("Gate", "检票口"), say.code()),
    ]
    body = [
        part(
            "hero",
            name=f"{say.pick('city')} – {say.pick('city')}",
            words=say.clock(),
            note=say.day(),
            icon="train-front",
            hue=hue(say.rng),
        ),
        rows(facts, say.ui("Ticket", "车票信息")),
        part("picture", name=say.ui("Ticket code", "车票二维码"), hue=hue(say.rng), height=150),
        buttons(say.ui("Change", "改签"), say.ui("Refund", "退票")),
    ]
    return Page(say.ui("My ticket", "我的车票"), body, True, ["share"], overlays=common_overlays(say))
