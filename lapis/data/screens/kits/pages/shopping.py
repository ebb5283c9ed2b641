"""Pages of shops: shop window, search, product, cart, checkout, orders, coupons, reviews, filters and a menu of food"""

from __future__ import annotations

from lapis.data.screens.kits.describe import (
    Page,
    Part,
    buttons,
    common_overlays,
    dialog,
    entry,
    entry_row,
    heading,
    hue,
    part,
    row,
    rows,
    text,
)
from lapis.data.screens.kits.pages.device import nav
from lapis.data.screens.kits.say import Pair, Say

SORTS: tuple[Pair, ...] = (("Best match", "综合"), ("Sales", "销量"), ("Price", "价格"), ("Newest", "新品"))
NOTES: tuple[Pair, ...] = (
    ("Free delivery", "包邮"),
    ("Ships today", "当日发货"),
    ("Sold out soon", "即将售罄"),
    ("30 days return", "30天退换"),
    ("Two years warranty", "两年质保"),
    ("Member price", "会员价"),
    ("In stock", "现货"),
    ("Made to order", "定制"),
)
TAGS: tuple[Pair, ...] = (("New", "新品"), ("Hot", "热卖"), ("Sale", "特惠"), ("Gift", "赠品"))


def goods(say: Say, count: int) -> list[Part]:
    """Products with prices that may be asked for."""
    names = [say.product() for _ in range(count)]
    return [
        {
            "name": name,
            "note": say.rng.choice(NOTES)[say.lang == "zh"],
            "price": say.money(price),
            "hue": hue(say.rng),
            "fact": ("price", name, price, say.sign),
            "tag": say.rng.choice(TAGS)[say.lang == "zh"] if say.rng.random() < 0.3 else "",
        }
        for name, price in zip(names, say.numbers(count, 5, 990), strict=True)
    ]


def shop(say: Say, wide: bool) -> Page:
    """A shop window: search, groups and cards."""
    groups = [
        {"icon": icon, "name": say.pick("goods", "food", "hobby")}
        for icon in say.rng.sample(
            (
                "basket",
                "gift",
                "cup-hot",
                "phone",
                "book",
                "flower1",
                "bag",
                "tv",
                "bicycle",
                "watch",
                "lamp",
                "headphones",
            ),
            8,
        )
    ]
    button = say.one((("Buy", "购买"), ("Add to cart", "加入购物车"))) if say.rng.random() < 0.5 else ""
    cards = [{**one, "button": button} for one in goods(say, 4 + 4 * wide)]
    body = [
        part("search", hint=say.one((("Search products", "搜索商品"), ("What do you need?", "搜你想要的"))), value=""),
        part("grid", columns=4, items=groups[: say.rng.choice((4, 8))]),
        heading(say.one((("For you", "为你推荐"), ("Best sellers", "热销榜"), ("Just in", "新品上架")))),
        part("cards", columns=2, items=cards),
    ]
    if say.rng.random() < 0.4:
        body.insert(
            1,
            part(
                "picture",
                name=say.one((("Summer sale", "夏日特惠"), ("Member day", "会员日"))),
                hue=hue(say.rng),
                height=120,
            ),
        )
    return Page(say.ui("Shop", "商城"), body, False, ["upc-scan"], nav(say), overlays=common_overlays(say), typed=True)


def search(say: Say, wide: bool) -> Page:
    """What was found, with ways to sort."""
    query = say.pick("goods", "food")
    found = [
        row(one["name"], note=one["note"], value=one["price"], fact=one["fact"], picture=one["hue"], tag=one["tag"])
        for one in goods(say, say.rng.randrange(5, 8) + 3 * wide)
    ]
    names = say.some(SORTS, 4)
    body = [
        part("search", hint=say.ui("Search", "搜索"), value=query),
        part("tabs", names=names, at=say.rng.randrange(4)),
        rows(found),
    ]
    return Page(say.ui("Results", "搜索结果"), body, True, ["filter"], overlays=common_overlays(say), typed=True)


def product(say: Say, wide: bool) -> Page:
    """One product with its price, kinds, amount and ways to buy."""
    one, amount = goods(say, 1)[0], say.rng.randrange(1, 6)
    colours = say.some(
        (("Black", "黑色"), ("White", "白色"), ("Blue", "蓝色"), ("Green", "绿色"), ("Red", "红色"), ("Grey", "灰色")),
        4,
    )
    count = say.ui("Quantity", "数量")
    rating = say.rng.randrange(2, 6)
    body = [
        part("picture", name=one["name"], hue=one["hue"], height=200),
        text(one["price"], "price", one["fact"]),
        heading(one["name"]),
        text(one["note"], "muted"),
        part("rate", name=say.ui("Rating", "评分"), value=rating),
        part("chips", name=say.ui("Colour", "颜色"), names=colours, at=say.rng.randrange(len(colours))),
        rows(
            [
                row(count, count=amount, fact=("count", count, amount, "")),
                row(say.ui("Deliver to", "配送至"), value=say.pick("city"), arrow=True),
                row(say.ui("Service", "服务"), value=say.rng.choice(NOTES)[say.lang == "zh"], arrow=True),
            ]
        ),
        heading(say.ui("Details", "商品详情")),
        text(say.sentences(3)),
    ]
    foot = [
        part(
            "bar",
            icons=[
                {"icon": "headset", "name": say.ui("Support", "客服")},
                {"icon": "cart", "name": say.ui("Cart", "购物车")},
            ],
            names=[say.ui("Add to cart", "加入购物车"), say.ui("Buy now", "立即购买")],
        )
    ]
    return Page(say.ui("Product", "商品详情"), body, True, ["share", "heart"], foot=foot, overlays=common_overlays(say))


def cart(say: Say, wide: bool) -> Page:
    """Products with amounts, and what they cost together."""
    items = goods(say, say.rng.randrange(3, 6))
    lines = [
        row(
            one["name"],
            note=one["note"],
            value=one["price"],
            fact=one["fact"],
            picture=one["hue"],
            check=say.rng.random() < 0.7,
            count=say.rng.randrange(1, 5),
        )
        for one in items
    ]
    total = sum(one["fact"][2] * line["count"] for one, line in zip(items, lines, strict=True) if line["check"])
    foot = [
        part(
            "total",
            label=say.ui("Total", "合计"),
            words=say.money(total),
            button=say.ui("Check out", "去结算"),
            all=say.ui("Select all", "全选"),
            on=all(line["check"] for line in lines),
        )
    ]
    gone = dialog(say, say.ui("Remove item?", "移除商品?"), items[0]["name"], say.ui("Remove", "移除"))
    body = [part("notice", words=say.ui("Orders over 99 ship free", "满99元包邮")), rows(lines)]
    return Page(say.ui("Basket", "购物车"), body, False, ["trash"], nav(say), foot, [gone, *common_overlays(say)])


def checkout(say: Say, wide: bool) -> Page:
    """Where to, how to pay, what it costs."""
    rng = say.rng
    ways = say.some(
        (("Credit card", "银行卡"), ("Wallet", "钱包余额"), ("Pay on delivery", "货到付款"), ("Gift card", "礼品卡")), 3
    )
    price, fee = say.number(20, 800), say.number(5, 30)
    costs = [
        (say.ui("Items", "商品金额"), price),
        (say.ui("Delivery", "运费"), fee),
        (say.ui("Discount", "优惠"), say.number(2, 15)),
    ]
    body = [
        rows(
            [
                row(
                    say.full_name(),
                    note=f"{say.pick('city')} {say.pick('place')} {rng.randrange(1, 200)}",
                    icon="geo-alt",
                    arrow=True,
                )
            ],
            say.ui("Delivery address", "收货地址"),
        ),
        part("radios", name=say.ui("Payment method", "支付方式"), names=ways, at=rng.randrange(3)),
        rows(
            [row(name, value=say.money(cost), fact=("price", name, cost, say.sign)) for name, cost in costs],
            say.ui("Summary", "费用明细"),
        ),
        rows(
            [
                row(say.ui("Use points", "使用积分"), switch=rng.random() < 0.5),
                row(say.ui("Invoice", "发票"), value=say.ui("None", "不开发票"), arrow=True),
            ]
        ),
        part("form", fields=[entry(say.ui("Note for the seller", "备注"), say.ui("Optional", "选填"), kind="area")]),
    ]
    foot = [
        part(
            "total",
            label=say.ui("To pay", "应付"),
            words=say.money(price + fee),
            button=say.ui("Place order", "提交订单"),
        )
    ]
    return Page(say.ui("Checkout", "确认订单"), body, True, foot=foot, overlays=common_overlays(say), typed=True)


def orders(say: Say, wide: bool) -> Page:
    """Orders by state, each with what can be done."""
    states = say.some(
        (
            ("All orders", "全部"),
            ("To pay", "待付款"),
            ("To ship", "待发货"),
            ("On the way", "待收货"),
            ("Done", "已完成"),
        ),
        4,
    )
    again = say.one((("Buy again", "再次购买"), ("Track", "查看物流"), ("Review", "评价")))
    cards = [
        part(
            "card",
            name=one["name"],
            note=say.day(),
            value=one["price"],
            fact=one["fact"],
            hue=one["hue"],
            tag=one["note"],
            names=[again, say.ui("Details", "订单详情")],
        )
        for one in goods(say, 3 + 2 * wide)
    ]
    return Page(
        say.ui("Orders", "我的订单"),
        [part("tabs", names=states, at=say.rng.randrange(len(states))), *cards],
        True,
        ["search"],
        overlays=common_overlays(say),
    )


def order(say: Say, wide: bool) -> Page:
    """One order: how far it is, what is in it, who gets it."""
    steps = [
        say.ui(en, zh)
        for en, zh in (("Ordered", "已下单"), ("Packed", "已打包"), ("Shipped", "已发货"), ("Delivered", "已签收"))
    ]
    lines = [
        row(one["name"], value=one["price"], fact=one["fact"], picture=one["hue"])
        for one in goods(say, say.rng.randrange(2, 5))
    ]
    facts = [
        entry_row(say, say.ui("Order number", "订单编号"), say.code() + say.code()),
        entry_row(say, say.ui("Ordered on", "下单日期"), say.day()),
        entry_row(say, say.ui("Recipient", "收件人"), say.full_name()),
        entry_row(say, say.ui("Courier", "配送方式"), say.pick("transport")),
    ]
    body = [
        part("steps", names=steps, at=say.rng.randrange(4)),
        rows(lines, say.ui("Items", "商品清单")),
        rows(facts, say.ui("Order", "订单信息")),
        buttons(say.ui("Confirm receipt", "确认收货"), say.ui("Ask for refund", "申请退款")),
    ]
    return Page(say.ui("Order details", "订单详情"), body, True, ["headset"], overlays=common_overlays(say))


def coupons(say: Say, wide: bool) -> Page:
    """Coupons, each with a way to use it."""
    use = say.one((("Use", "去使用"), ("Claim", "领取")))
    items = []
    for amount in say.numbers(4 + wide * 2, 5, 90):
        name = f"{say.pick('food', 'goods')}{'券' if say.lang == 'zh' else ' coupon'}"
        items.append(
            row(name, note=say.day(), value=say.money(amount), fact=("price", name, amount, say.sign), button=use)
        )
    body = [
        part("tabs", names=[say.ui("Unused", "未使用"), say.ui("Used", "已使用"), say.ui("Expired", "已过期")], at=0),
        rows(items),
    ]
    return Page(say.ui("Coupons", "优惠券"), body, True, overlays=common_overlays(say))


def reviews(say: Say, wide: bool) -> Page:
    """What buyers say, with likes."""
    items = []
    for likes in say.numbers(3 + wide * 2, 2, 300):
        name = say.full_name()
        items.append(
            part(
                "comment",
                name=name,
                note=say.day(),
                words=say.sentences(2),
                hue=hue(say.rng),
                likes=likes,
                stars=say.rng.randrange(1, 6),
                fact=("likes", name, likes, ""),
            )
        )
    names = say.some(
        (("All", "全部"), ("With pictures", "有图"), ("Good", "好评"), ("Critical", "差评"), ("Recent", "最新")), 4
    )
    foot = [part("compose", hint=say.ui("Write a review", "写评价"), send=say.ui("Send", "发送"))]
    return Page(
        say.ui("Reviews", "商品评价"),
        [part("chips", name="", names=names, at=0), *items],
        True,
        foot=foot,
        overlays=common_overlays(say),
        typed=True,
    )


def filters(say: Say, wide: bool) -> Page:
    """Choices that narrow a list down."""
    rng = say.rng
    sliders = [
        (say.ui("Highest price", "最高价格"), say.number(10, 99)),
        (say.ui("Distance", "距离"), say.number(10, 99)),
    ]
    brands = [{"name": say.title(), "on": rng.random() < 0.4} for _ in range(4)]
    body = [
        part(
            "chips",
            name=say.ui("Category", "分类"),
            names=[say.pick("goods", "food") for _ in range(5)],
            at=rng.randrange(5),
        ),
        *(part("slider", name=name, value=value, fact=("level", name, value, "")) for name, value in sliders),
        part("checks", name=say.ui("Brand", "品牌"), items=brands),
        part("radios", name=say.ui("Sort by", "排序"), names=say.some(SORTS, 4), at=rng.randrange(4)),
        rows(
            [
                row(say.ui("In stock only", "仅看有货"), switch=rng.random() < 0.5),
                row(say.ui("Free delivery", "包邮"), switch=rng.random() < 0.5),
            ]
        ),
    ]
    foot = [buttons(say.ui("Show results", "查看结果"), say.ui("Reset", "重置"))]
    return Page(say.ui("Filters", "筛选"), body, True, ["x-lg"], foot=foot, overlays=common_overlays(say))


def food(say: Say, wide: bool) -> Page:
    """Dishes of a place, each with a way to order it."""
    add = say.one((("Add", "加"), ("Order", "点单")))
    items = []
    for price in say.numbers(5 + 3 * wide, 6, 80):
        name = say.pick("food")
        items.append(
            row(
                name,
                note=f"{say.pick('quality')} · {say.pick('food')}",
                value=say.money(price),
                picture=hue(say.rng),
                fact=("price", name, price, say.sign),
                button=add,
            )
        )
    names = say.some(
        (("Popular", "热销"), ("Mains", "主食"), ("Drinks", "饮料"), ("Desserts", "甜品"), ("Snacks", "小吃")), 4
    )
    foot = [
        part(
            "total",
            label=say.ui("In the bag", "已选"),
            words=say.money(say.number(10, 200)),
            button=say.ui("Order now", "去下单"),
        )
    ]
    return Page(
        say.title(),
        [part("tabs", names=names, at=say.rng.randrange(4)), rows(items)],
        True,
        ["search", "heart"],
        foot=foot,
        overlays=common_overlays(say),
    )
