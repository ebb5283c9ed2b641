"""Personal data masked: each mail address, phone, identity number, card, account, address and key becomes its tag.

What carries a checksum is masked only where the checksum is right, so that ordinary numbers of the same length stay:
identity numbers of China (GB 11643, ISO 7064 MOD 11-2), Hong Kong, Taiwan, Singapore, India (Verhoeff) and Brazil,
bank cards (Luhn), IBAN (ISO 13616, MOD 97-10). Numbers without one need a form that ordinary numbers lack (a `+`,
brackets, groups), and those whose checksum every tenth number has a word beside them that says what they are. Of
addresses on the network only public ones count; four small numbers are a version. The choice of forms is ours;
scrubadub, which has most of the western ones, misses Chinese mobile and identity numbers.

Unusual: a row is opened only where one search over the column finds a form that could be one of these. The column holds
JSON, so a quote or a tab stands there as two characters or more.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data.steps.rewrite import matching, rewrite, texts

SORTS = ("key", "mail", "iban", "card", "id", "phone", "ip")
"""Sorts of personal data, in the order in which they are looked for; each is written as `<sort>`."""
_LEFT = r"(?<![0-9A-Za-z_])(?<!(?<![Tt]el)(?<!TEL)(?<![Nn]o)(?<!NO)\.)"
_RIGHT = r"(?![0-9A-Za-z_]|\.[0-9])"
"""What may not stand beside a number. A comma before a digit parts two fields: no form is a number with decimals."""
SECRETS = r"password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|密码|口令|密钥"
"""Names before a value that is to stay unknown."""
_LONG = re.compile(r"[0-9](?:[-. ()（]{0,2}[0-9]){6}|[A-Z][0-9]{6}[(（]?A")
"""Seven digits, or the six of Hong Kong before the check digit A."""
_AREA = "(?:10|2[0-9]|[3-9][0-9]{2})"
CANDIDATES = "|".join(
    (
        r"[0-9A-Za-z_.+-]@[0-9A-Za-z-]", _LONG.pattern, r"(?:[0-9]{1,3}\.){3}[0-9]",
        r"[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]",
        r"AKIA|ASIA|AIza|gh[pousr]_|github_pat_|xox[abeprs]-|sk-|eyJ|hf_|[rs]k_(?:live|test)_|glpat-|LTAI",
        r"PRIVATE KEY", f"(?i:{SECRETS})" + r"(?:\\?[\"'])?(?:[^0-9A-Za-z]|\\[a-z][0-9a-f]{0,4})?[:=：]",
    )
)  # fmt: skip
"""RE2: what a row must have somewhere to be opened."""
_PLACES = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61,
           62, 63, 64, 65, 71, 81, 82, 83, 91}  # fmt: skip
"""First two digits of a Chinese identity number (GB/T 2260)."""
_TAIWAN = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
"""Letters of a Taiwan identity number in the order of their numbers, from 10."""
_IBAN = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 "
    "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 "
    "LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SE24 SI19 SK24 "
    "SM27 TN24 TR26 UA29 VA22 VG24 XK20 "
)
"""Length of an account number by country (SWIFT's registry)."""
_ACCOUNTS = "|".join(
    f"{told[:2]}[0-9]{{2}}(?: ?[0-9A-Z]{{4}}){{{(int(told[2:]) - 4) // 4}}}"
    + (f" ?[0-9A-Z]{{{int(told[2:]) % 4}}}" if int(told[2:]) % 4 else "")
    for told in _IBAN.split()
)
"""Forms of account numbers, each as long as its country's, so that no word after one counts as a part of it."""
_FILES = re.compile(r"\.(?:png|jpe?g|gif|webp|svg|js|css|html?)$", re.I)
_ISSUERS = r"(?=4|5[1-5]|2[2-7]|3[04-8]|6[0245])(?<!\+)"
"""What a bank card's number begins with."""
_NAMED = re.compile(r"(?i)hkid|identity|身份|香港")
_SINGAPORE = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK"),
              "M": (3, "XWUTRQPNJLK")}  # fmt: skip
"""First letter of a Singapore identity number to what is added to its weighed digits, and its check letters."""
_VERHOEFF = "01234567891576283094580379614289160435279453126870428657390127938064157046913258"
"""Verhoeff's permutations of ten digits, by place from the right; a sum is a product in the group of ten."""
_VERSION = re.compile(r"(?i)(?:\bv|version|ver\.|release|section|chapter|版本|版|第|节)[ :：]?$")


def china(number: str) -> bool:
    """Whether 18 characters are an identity number of China: place, day and checksum."""
    day = number[6:14]
    try:
        born = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return False
    total = sum(int(digit) * (1 << 17 - at) for at, digit in enumerate(number[:17]))
    right = "10X98765432"[total % 11] == number[17].upper()
    return right and int(number[:2]) in _PLACES and 1900 <= born.year < 2100


def hong_kong(number: str) -> bool:
    """Whether a letter or two, six digits and a check digit or A are an identity number of Hong Kong."""
    values = [36] * (9 - len(number)) + [int(char, 36) for char in number]
    return sum(value * (9 - at) for at, value in enumerate(values[:8])) % 11 == -values[8] % 11


def taiwan(number: str) -> bool:
    """Whether a letter and nine digits are an identity number of Taiwan."""
    tens, ones = divmod(_TAIWAN.index(number[0]) + 10, 10)
    digits = [int(digit) for digit in number[1:]]
    weighed = sum(digit * (8 - at) for at, digit in enumerate(digits[:8]))
    return (tens + 9 * ones + weighed + digits[8]) % 10 == 0


def singapore(number: str) -> bool:
    """Whether a letter, seven digits and a letter are an identity number of Singapore (NRIC, FIN)."""
    start, letters = _SINGAPORE[number[0]]
    weighed = sum(int(digit) * weight for digit, weight in zip(number[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    return letters[(start + weighed) % 11] == number[8]


def verhoeff(number: str) -> bool:
    """Whether the last digit is right by Verhoeff's rule, as in India's Aadhaar numbers."""
    total = 0
    for at, digit in enumerate(reversed(number)):
        one, other = total, int(_VERHOEFF[10 * (at % 8) + int(digit)])
        turned = one % 5 + (other if one < 5 else -other)
        total = turned % 5 + 5 * ((one < 5) != (other < 5))
    return total == 0


def brazil(number: str) -> bool:
    """Whether eleven digits are a CPF of Brazil: each of the last two by the digits before it, modulo 11."""
    digits = [int(digit) for digit in number]
    sums = [sum(digit * (end + 1 - at) for at, digit in enumerate(digits[:end])) for end in (9, 10)]
    return len(set(digits)) > 1 and [10 * total % 11 % 10 for total in sums] == digits[9:]


def luhn(number: str) -> bool:
    """Whether the last digit is right by Luhn's rule (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in number[::-1]]
    return (sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def iban(number: str) -> bool:
    """Whether an account number has its country's length and checksum."""
    whole = number.replace(" ", "")
    turned = "".join(str(int(char, 36)) for char in whole[4:] + whole[:4])
    return f"{whole[:2]}{len(whole)} " in _IBAN and int(turned) % 97 == 1


def entropy(text: str) -> float:
    """Bits a character, by the text's own frequencies."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def _any(found: re.Match[str]) -> bool:
    return True


def _secret(found: re.Match[str]) -> bool:
    """A value that nobody chose as a word: letters and digits, much entropy, no call and no path."""
    value = found[2]
    mixed = re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)
    return bool(mixed) and entropy(value) >= 3.2 and not re.search(r"[(){}\[\]$]|://", value)


def _mail(found: re.Match[str]) -> bool:
    return not _FILES.search(found[0]) and not found[0].startswith("git@")


def _card(found: re.Match[str]) -> bool:
    """Groups have four digits or more: shorter ones are a list of numbers."""
    *groups, last = re.split(r"[ -]", found[0])
    number = "".join((*groups, last))
    grouped = all(len(group) >= 4 for group in groups)
    return grouped and 13 <= len(number) <= 19 and luhn(number) and len(set(number)) > 1


def _named(found: re.Match[str], names: str | re.Pattern[str]) -> bool:
    """Whether a number is said to be one shortly before."""
    return bool(re.search(names, found.string[max(0, found.start() - 24) : found.start()]))


def _hong_kong(found: re.Match[str]) -> bool:
    """The check digit stands in brackets, or the number is said to be one."""
    return (found[0][-1] in ")）" or _named(found, _NAMED)) and hong_kong(re.sub(r"[()（）]", "", found[0]))


def _singapore(found: re.Match[str]) -> bool:
    return _named(found, r"(?i)\bnric\b|\bfin\b|identi|singapore|身份|新加坡") and singapore(found[0])


def _india(found: re.Match[str]) -> bool:
    return _named(found, r"(?i)aadhaa?r|uidai|आधार") and verhoeff(re.sub(r"[ -]", "", found[0]))


def _e164(found: re.Match[str]) -> bool:
    """At most 15 digits, at least 9, or 11 where nothing groups them: +2147483647 is a number."""
    digits = sum(char.isdigit() for char in found[0])
    return (11 if found[0][1:].isdigit() else 9) <= digits <= 15


def _ip4(found: re.Match[str]) -> bool:
    parts = [int(part) for part in found[0].split(".")]
    before = found.string[max(0, found.start() - 12) : found.start()]
    section = (not before or before.endswith("\n")) and found.string.startswith(".", found.end())
    if max(parts) > 255 or max(parts) < 20 or section or _VERSION.search(before):
        return False
    address = ipaddress.IPv4Address(bytes(parts))
    return address.is_global and not address.is_multicast and parts[3] > 0


def _ip6(found: re.Match[str]) -> bool:
    try:
        address = ipaddress.IPv6Address(found[0])
    except ValueError:
        return False
    return address.is_global and address in ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of one sort: where it may be, what it looks like, and what else must hold."""

    sort: str
    pattern: re.Pattern[str]
    valid: Callable[[re.Match[str]], bool]
    hints: tuple[str, ...]
    """A text has one of these, in small letters, or the form is not looked for; none means a long number."""

    def mask(self, text: str) -> str:
        return self.pattern.sub(self._tag, text)

    def _tag(self, found: re.Match[str]) -> str:
        if not self.valid(found):
            return found[0]
        return f"{found[1] if found.lastindex == 2 else ''}<{self.sort}>"


def _rule(sort: str, pattern: str, valid: Callable[[re.Match[str]], bool] = _any, hints: str = "") -> Rule:
    whole = pattern if pattern.startswith("(?<!") else f"{_LEFT}(?:{pattern}){_RIGHT}"
    return Rule(sort, re.compile(whole), valid, tuple(hints.split("|")) if hints else ())


RULES = (
    _rule(
        "key", r"(?<!-)-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,16384}?-----END [A-Z ]*PRIVATE KEY-----", _any,
        "private key",
    ),
    _rule("key", r"(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}", _any, "akia|asia|aiza"),
    _rule("key", r"gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255}", _any, "gh|github_pat"),
    _rule("key", r"xox[abeprs]-[0-9A-Za-z-]{10,255}|sk-(?=[A-Za-z_-]*[0-9])[0-9A-Za-z_-]{20,255}", _any, "xox|sk-"),
    _rule(
        "key",
        r"hf_[0-9A-Za-z]{34,64}|[rs]k_(?:live|test)_[0-9A-Za-z]{10,247}|LTAI[0-9A-Za-z]{12,26}"
        r"|glpat-[0-9A-Za-z_-]{20,300}(?:\.[0-9a-z]{2,9}){0,2}",
        _any, "hf_|k_live_|k_test_|ltai|glpat-",
    ),
    _rule("key", r"eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}", _any, "eyj"),
    _rule(
        "key",
        rf"(?<!(?![a-z](?=[A-Z]))[0-9A-Za-z])((?i:{SECRETS})[\"']?\s?[:=：]\s?[\"']?)([!#-&(-+\--:=?-~]{{12,4096}})",
        _secret,
        "pass|pwd|secret|token|key|密|口令",
    ),
    _rule(
        "mail",
        r"(?<![0-9A-Za-z_.+-])[0-9A-Za-z_.+-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![0-9A-Za-z_-])",
        _mail, "@",
    ),
    _rule("iban", _ACCOUNTS, lambda found: iban(found[0])),
    _rule("id", r"[1-9][0-9]{16}[0-9Xx]", lambda found: china(found[0])),
    _rule("card", rf"{_ISSUERS}[0-9](?:[ -]?[0-9]){{12,18}}", _card),
    _rule(
        "card",
        rf"{_ISSUERS}(?:[0-9]{{4}}(?:([ -])[0-9]{{4}}(?:\1[0-9]{{4}}){{2}}| [0-9]{{6}} [0-9]{{5}})|[0-9]{{13,19}})",
        _card,
    ),
    _rule("id", r"[A-Z]{1,2}[0-9]{6}(?:[(（][0-9A][)）]|[0-9A])", _hong_kong),
    _rule("id", r"[A-Z][1289][0-9]{8}", lambda found: taiwan(found[0])),
    _rule("id", r"[STFGM][0-9]{7}[A-Z]", _singapore),
    _rule("id", r"[2-9][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}", _india),
    _rule("id", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", lambda found: brazil(re.sub(r"[.-]", "", found[0]))),
    _rule("id", r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?!-)"),
    _rule(
        "phone",
        r"(?:\+?86[- ]?)?1[3-9][0-9](?:[0-9]{8}|-[0-9]{4}-[0-9]{4}| [0-9]{4} [0-9]{4})(?! ?(?:[%元]|- ?[0-9]))",
    ),
    _rule("phone", r"(?:\+?86[- ]?)?(?:0AREA[- ]|[(（]0AREA[)）] ?)[2-8][0-9]{6,7}".replace("AREA", _AREA)),
    _rule("phone", r"\+[1-9](?:[-. ]?\(?[0-9]{1,4}\)?){2,6}", _e164),
    _rule("phone", r"(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-.][0-9]{4}(?!-)"),
    _rule("ip", rf"(?<![0-9A-Za-z_.])(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}{_RIGHT}", _ip4, "."),
    _rule("ip", r"(?<![:0-9A-Za-z_.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![:0-9A-Za-z_])", _ip6, ":"),
)  # fmt: skip
"""In order: longer forms come before those that could be a part of them. A card that counts what follows it (`12/27`)
as its own is no card, so cards alone come after."""


def mask(text: str) -> str:
    """The text with everything of RULES replaced by `<sort>`; of a secret the name before it stays."""
    small, numbers = text.lower(), bool(_LONG.search(text))
    for rule in RULES:
        if any(hint in small for hint in rule.hints) if rule.hints else numbers:
            text = rule.mask(text)
    return text


def change(rows: pa.Table) -> pa.Table:
    """The same rows (store.SCHEMA) with every text masked, and a column `masked`: the sort of each thing, in order of
    SORTS. `id` and `key` follow the texts."""
    where = matching(rows, CANDIDATES)
    for at in np.flatnonzero(where).tolist():
        where[at] = any(mask(text) != text for text in texts(rows["turns"][at].as_py()))
    changed = rewrite(rows, where, mask)
    more = {sort: _tags(changed, sort) - _tags(rows, sort) for sort in SORTS}
    masked = [[sort for sort in SORTS for _ in range(more[sort][at])] if where[at] else [] for at in range(len(where))]
    return changed.append_column("masked", pa.array(masked, pa.list_(pa.string())))


def counts(rows: pa.Table) -> dict[str, int]:
    """How many of each sort `change` has masked."""
    found = Counter(pc.list_flatten(rows["masked"]).to_pylist())
    return {sort: found[sort] for sort in SORTS}


def _tags(rows: pa.Table, sort: str) -> np.ndarray:
    return np.asarray(pc.count_substring(rows["turns"], f"<{sort}>"))
