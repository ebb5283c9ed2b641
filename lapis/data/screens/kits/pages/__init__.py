"""Kinds of pages. A kind is a function (say, wide) -> Page; those that screens/kinds keeps unseen are never trained on"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lapis.data.screens.kinds import UNSEEN
from lapis.data.screens.kits.describe import Page
from lapis.data.screens.kits.pages import device, living, shopping, talking, working
from lapis.data.screens.kits.say import Say

Kind = Callable[[Say, bool], Page]

KINDS: Mapping[str, tuple[str, Kind]] = {
    "settings": ("设置", device.settings), "network": ("网络列表", device.network), "storage": ("存储空间", device.storage),
    "alarms": ("闹钟", device.alarms), "profile": ("个人中心", device.profile), "login": ("登录", device.login),
    "register": ("注册", device.register), "about": ("关于", device.about),
    "shop": ("商店", shopping.shop), "search": ("搜索结果", shopping.search), "product": ("商品详情", shopping.product),
    "cart": ("购物车", shopping.cart), "checkout": ("结算", shopping.checkout), "orders": ("订单列表", shopping.orders),
    "order": ("订单详情", shopping.order), "coupons": ("优惠券", shopping.coupons), "reviews": ("评价", shopping.reviews),
    "filters": ("筛选", shopping.filters), "food": ("点餐", shopping.food),
    "chats": ("会话列表", talking.chats), "chat": ("聊天", talking.chat), "contacts": ("通讯录", talking.contacts),
    "calls": ("通话记录", talking.calls), "inbox": ("收件箱", talking.inbox), "mail": ("邮件", talking.mail),
    "compose": ("写邮件", talking.compose), "feed": ("动态", talking.feed), "comments": ("评论", talking.comments),
    "notices": ("通知", talking.notices), "article": ("文章", talking.article),
    "dashboard": ("仪表盘", working.dashboard), "table": ("表格", working.table), "calendar": ("日历", working.calendar),
    "wizard": ("分步表单", working.wizard), "files": ("文件", working.files), "tasks": ("待办", working.tasks),
    "survey": ("问卷", working.survey), "members": ("成员", working.members), "downloads": ("下载", working.downloads),
    "map": ("地图", living.places), "player": ("播放器", living.player), "video": ("视频", living.video),
    "gallery": ("图库", living.gallery), "weather": ("天气", living.weather), "bank": ("银行账户", living.bank),
    "transfer": ("转账", living.transfer), "health": ("健康", living.health), "travel": ("旅行", living.travel),
    "flights": ("航班列表", living.flights), "hotel": ("酒店", living.hotel), "ticket": ("车票", living.ticket),
}  # fmt: skip
"""Name to its Chinese name and its function."""
HELD = frozenset(KINDS) & frozenset(UNSEEN)
"""Kinds that only the unseen split takes: what one generator keeps back, no other trains on."""
