"""Kinds of pages. A kind is a function (say, wide) -> Page; what screens/kinds keeps unseen is never trained on"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lapis.data.screens.kinds import UNSEEN
from lapis.data.screens.kits.describe import Page
from lapis.data.screens.kits.pages import device, living, shopping, talking, working
from lapis.data.screens.kits.say import Say

Kind = Callable[[Say, bool], Page]

KINDS: Mapping[str, Kind] = {
    "settings": device.settings,
    "network": device.network,
    "storage": device.storage,
    "alarms": device.alarms,
    "profile": device.profile,
    "login": device.login,
    "register": device.register,
    "about": device.about,
    "shop": shopping.shop,
    "search": shopping.search,
    "product": shopping.product,
    "cart": shopping.cart,
    "checkout": shopping.checkout,
    "orders": shopping.orders,
    "order": shopping.order,
    "coupons": shopping.coupons,
    "reviews": shopping.reviews,
    "filters": shopping.filters,
    "food": shopping.food,
    "chats": talking.chats,
    "chat": talking.chat,
    "contacts": talking.contacts,
    "calls": talking.calls,
    "inbox": talking.inbox,
    "mail": talking.mail,
    "compose": talking.compose,
    "feed": talking.feed,
    "comments": talking.comments,
    "notices": talking.notices,
    "article": talking.article,
    "dashboard": working.dashboard,
    "table": working.table,
    "calendar": working.calendar,
    "wizard": working.wizard,
    "files": working.files,
    "tasks": working.tasks,
    "survey": working.survey,
    "members": working.members,
    "downloads": working.downloads,
    "map": living.places,
    "player": living.player,
    "video": living.video,
    "gallery": living.gallery,
    "weather": living.weather,
    "bank": living.bank,
    "transfer": living.transfer,
    "health": living.health,
    "travel": living.travel,
    "flights": living.flights,
    "hotel": living.hotel,
    "ticket": living.ticket,
}
"""Every kind by its name; `phrases.KINDS` has the Chinese ones."""
HELD = frozenset(KINDS) & frozenset(UNSEEN)
"""Kinds that only the unseen split takes: what one generator keeps back, no other trains on."""
