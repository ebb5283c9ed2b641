"""How questions about screens are worded, in English and Chinese. Names and values go into the braces."""

from __future__ import annotations

ROLES = {
    "button": ("button", "按钮"), "icon": ("icon", "图标"), "link": ("link", "链接"), "tab": ("tab", "标签"),
    "input": ("input box", "输入框"), "switch": ("switch", "开关"), "checkbox": ("checkbox", "复选框"),
    "radio": ("radio button", "单选框"), "item": ("item", "条目"), "value": ("value", "数值"), "text": ("text", "文字"),
    "heading": ("heading", "标题"), "image": ("image", "图片"), "key": ("key", "按键"), "day": ("day", "日期"),
    "option": ("menu item", "菜单项"), "slider": ("slider", "滑块"),
}  # fmt: skip
COUNTED = {
    "button": ("buttons", "按钮"), "icon": ("icons", "图标"), "tab": ("tabs", "标签"),
    "input": ("input boxes", "输入框"),
    "switch": ("switches", "开关"), "item": ("items", "条目"), "image": ("images", "图片"), "key": ("keys", "按键"),
}  # fmt: skip
KINDS = {
    "settings": "设置", "chat": "聊天", "shop": "商店", "mail": "邮件", "calendar": "日历", "map": "地图",
    "player": "播放器",
    "form": "表单", "table": "表格", "login": "登录", "feed": "动态", "dialogue": "对话框", "weather": "天气",
    "calculator": "计算器", "files": "文件", "ticket": "车票", "quiz": "测验", "dashboard": "仪表盘",
}  # fmt: skip
KINDS |= {
    "network": "网络列表", "storage": "存储空间", "alarms": "闹钟", "profile": "个人中心", "register": "注册",
    "about": "关于",
    "search": "搜索结果", "product": "商品详情", "cart": "购物车", "checkout": "结算", "orders": "订单列表",
    "order": "订单详情",
    "coupons": "优惠券", "reviews": "评价", "filters": "筛选", "food": "点餐", "chats": "会话列表",
    "contacts": "通讯录",
    "calls": "通话记录", "inbox": "收件箱", "compose": "写邮件", "comments": "评论", "notices": "通知",
    "article": "文章",
    "wizard": "分步表单", "tasks": "待办", "survey": "问卷", "members": "成员", "downloads": "下载", "video": "视频",
    "gallery": "图库", "bank": "银行账户", "transfer": "转账", "health": "健康", "travel": "旅行",
    "flights": "航班列表",
    "hotel": "酒店", "web": "网页",
}  # fmt: skip
"""Names of kinds in Chinese: first those of screens/kinds, then those that only kits draw, and any other page."""
YES_NO = {"en": ("yes", "no"), "zh": ("是", "否")}

GROUND = {
    "en": (
        'Where is "{name}"?', 'Tap "{name}".', 'Click "{name}".', 'Find "{name}".', 'Point at "{name}".',
        'Where should I tap for "{name}"?', 'Locate the {role} "{name}".', 'Where is the {role} "{name}"?', "{name}?",
        'Tap the {role} "{name}".', 'Give the place of "{name}".', "Open {name}.",
    ),
    "zh": (
        "“{name}”在哪里?", "点击“{name}”", "点一下“{name}”。", "找到“{name}”。", "指出“{name}”的位置。",
        "想点“{name}”,点哪里?",
        "{role}“{name}”在哪?", "点击{role}“{name}”", "请点{name}", "{name}在哪?", "“{name}”的坐标是?", "打开{name}",
    ),
}  # fmt: skip
GROUND_OF = {
    "en": ('Tap the {role} of "{of}".', 'Where is the {role} of "{of}"?', 'Find the {role} next to "{of}".'),
    "zh": ("点击“{of}”的{role}", "“{of}”的{role}在哪里?", "找到“{of}”旁边的{role}。"),
}
GROUND_NAMED_OF = {
    "en": (
        'Tap the {role} "{name}" of "{of}".', 'Where is the {role} "{name}" of "{of}"?',
        'Find the {role} "{name}" that belongs to "{of}".',
    ),
    "zh": ("点击“{of}”的{role}“{name}”", "“{of}”的{role}“{name}”在哪里?", "找到属于“{of}”的{role}“{name}”。"),
}  # fmt: skip
GROUND_NTH = {
    "en": ("Tap item {n} from the top.", "Where is list item {n}?"),
    "zh": ("点击从上往下第{n}项", "列表第{n}项在哪里?"),
}
GROUND_LAST = {"en": ("Tap the last item.", "Where is the last item?"), "zh": ("点击最后一项", "最后一项在哪里?")}

GROUND_NUMBERED = {
    "en": ('Tap the {n} "{name}".', 'Where is the {n} {role} "{name}"?', "Click the {n} {role} called {name}."),
    "zh": ("点击{n}“{name}”", "{n}{role}“{name}”在哪里?", "找到{n}“{name}”。"),
}
ORDINALS = {
    "en": ("first", "second", "third", "fourth", "fifth", "sixth"),
    "zh": ("第一个", "第二个", "第三个", "第四个", "第五个", "第六个"),
}
ABSENT = {"en": "not here", "zh": "不在这里"}
"""What is said of a place that is asked for and not there."""
ABOVE = {
    "en": ("How many of the shown values are above {value}?", "Count the values above {value}."),
    "zh": ("有多少个数值大于{value}?", "数一数大于{value}的数值。"),
}

LIST = {
    "en": ("List all texts with their places.", "Read the screen.", "What is written here, and where?"),
    "zh": ("列出所有文字及其位置。", "读出屏幕上的文字。", "这里写了什么,在哪里?"),
}
LIST_HALF = {
    "upper": {"en": ("List the texts of the upper half.",), "zh": ("列出上半部分的文字。",)},
    "lower": {"en": ("List the texts of the lower half.",), "zh": ("列出下半部分的文字。",)},
}
LIST_OVER = {
    "en": ("List the texts of the pop-up.", "What is written in the pop-up, and where?"),
    "zh": ("列出弹窗中的文字。", "弹窗里写了什么,在哪里?"),
}
READ_AT = {
    "en": ("What is written at {point}?", "Read the text at {point}.", "Text at {point}?"),
    "zh": ("{point}处写着什么?", "读出{point}的文字。", "{point}是什么文字?"),
}

KIND = {
    "en": ("What kind of screen is this?", "Which kind of app is shown?"),
    "zh": ("这是什么类型的页面?", "这是哪种应用界面?"),
}
DESCRIBE = {
    "en": ("Describe the screen.", "What does the screen show?"),
    "zh": ("描述这个页面。", "屏幕上显示了什么?"),
}
DESCRIPTION = {"en": "A {tone} {kind} screen with {names}.", "zh": "{tone}的{kind}页面,有{names}。"}
TONES = {"en": ("light", "dark"), "zh": ("浅色", "深色")}
WIDGET = {
    "en": ("What is at {point}?", "Which element is at {point}?"),
    "zh": ("{point}是什么?", "{point}处是哪个元素?"),
}
WIDGET_ANSWER = {"en": '{role} "{name}"', "zh": "{role}“{name}”"}

FACTS = {
    "price": (("What is the price of {item}?", "How much is {item}?"), ("{item}的价格是多少?", "{item}多少钱?")),
    "count": (("What is the count of {item}?", "How many for {item}?"), ("{item}的数量是多少?", "{item}有多少?")),
    "score": (("What is the score of {item}?",), ("{item}得分是多少?",)),
    "level": (("What is the value of {item}?",), ("{item}的数值是多少?",)),
    "unread": (("How many unread messages from {item}?",), ("{item}有多少条未读消息?",)),
    "likes": (("How many likes has the post of {item}?",), ("{item}的帖子有多少赞?",)),
    "minutes": (("How many minutes does the {item} take?",), ("坐{item}要多少分钟?",)),
    "lasts": (("How many minutes is {item}?",), ("{item}要多少分钟?",)),
    "plays": (("How many plays has {item}?",), ("{item}播放了多少次?",)),
    "temperature": (("What is the temperature of {item}?",), ("{item}的温度是多少?",)),
    "size": (("What is the size of {item} in MB?",), ("{item}有多少MB?",)),
    "time": (("At what time is {item}?",), ("{item}是几点?",)),
    "length": (("How long is {item}?",), ("{item}有多长?",)),
    "subject": (("What is the mail from {item} about?",), ("{item}的邮件主题是什么?",)),
    "artist": (("Who plays {item}?",), ("{item}是谁演唱的?",)),
    "entry": (("What is entered for {item}?", "What is the value of {item}?"), ("{item}填了什么?", "{item}是什么?")),
    "sender": (("Who sent this mail?",), ("这封邮件是谁发的?",)),
    "passenger": (("Who is the passenger?",), ("乘客是谁?",)),
    "display": (("What does the display show?",), ("显示屏上是什么数?",)),
}
"""Questions in English and Chinese, by the field of an element's fact."""
PERCENT = (("At what percent is {item}?",), ("{item}是百分之几?",))
"""What may be asked as well where the unit says so."""
COUNT = {"en": ("How many {role} are there?", "Count the {role}."), "zh": ("有多少个{role}?", "数一数{role}。")}
EXISTS = {
    "en": ('Is there a "{name}"?', 'Does the screen show "{name}"?'),
    "zh": ("有“{name}”吗?", "屏幕上有“{name}”吗?"),
}
STATE = {"en": ('Is "{item}" on?', 'Is "{item}" switched on?'), "zh": ("“{item}”开着吗?", "“{item}”是打开的吗?")}
CHOSEN = {"en": ('Is "{item}" selected?', 'Is "{item}" ticked?'), "zh": ("“{item}”选中了吗?", "“{item}”勾选了吗?")}


def facts(field: str, unit: str, lang: str) -> tuple[str, ...]:
    """Questions for a fact of this field and unit."""
    percent = PERCENT[lang == "zh"] if field == "level" and unit == "%" else ()
    return FACTS[field][lang == "zh"] + percent
