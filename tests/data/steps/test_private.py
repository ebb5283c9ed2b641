"""Personal data: valid numbers are masked, those with a wrong checksum and ordinary numbers stay."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.data import store
from lapis.data.steps import private
from tests.data.steps.rows import documents, talk

seeds = st.integers(0, 2**32)
DAYS = st.dates(date(1930, 1, 1), date(2024, 12, 31))


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def china(rng: random.Random, day: str) -> str:
    """By the letter of GB 11643: weights 7 9 10 5 8 4 2 1 6 3 ..."""
    body = f"{rng.choice((11, 13, 15, 31, 81))}{digits(rng, 4)}{day}{digits(rng, 3)}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]


def card(rng: random.Random) -> str:
    body = rng.choice(("4", "51", "62", "37")) + digits(rng, 13)
    body = body[:15] if body[0] != "3" else body[:14]
    doubled = [2 * int(d) - 9 * (int(d) > 4) if at % 2 == 0 else int(d) for at, d in enumerate(body[::-1])]
    return body + str(-sum(doubled) % 10)


def german_iban(rng: random.Random) -> str:
    body = digits(rng, 18)
    return f"DE{98 - int(body + '131400') % 97:02d}{body}"


def taiwan(rng: random.Random) -> str:
    letters = {"A": 10, "B": 11, "F": 15, "I": 34, "O": 35, "W": 32, "Z": 33}
    letter = rng.choice([*letters])
    body = rng.choice("12") + digits(rng, 7)
    total = letters[letter] // 10 + letters[letter] % 10 * 9
    total += sum(int(d) * w for d, w in zip(body, (8, 7, 6, 5, 4, 3, 2, 1), strict=True))
    return letter + body + str(-total % 10)


def other_digit(number: str, rng: random.Random, at: int) -> str:
    wrong = rng.choice([digit for digit in "0123456789" if digit != number[at]])
    return number[:at] + wrong + number[at + 1 :]


@settings(max_examples=40, deadline=None)
@given(seeds, DAYS)
def test_checksums_decide(seed: int, day: date) -> None:
    rng = random.Random(seed)
    for sort, number, last in (
        ("id", china(rng, f"{day:%Y%m%d}"), 16),
        ("card", card(rng), -1),
        ("iban", german_iban(rng), -1),
        ("id", taiwan(rng), 9),
    ):
        assert private.mask(f"号码：{number}，ok") == f"号码：<{sort}>，ok"
        assert private.mask(f"no {number}.") == f"no <{sort}>."
        wrong = other_digit(number, rng, last if last >= 0 else len(number) - 1)
        assert private.mask(f"号码：{wrong}，ok") == f"号码：{wrong}，ok"


FORMS = (
    ("11010519491231002X", "<id>"),  # the example of GB 11643
    ("11010519491231002x", "<id>"),
    ("110105194912310021", "110105194912310021"),
    ("11010519491331002X", "11010519491331002X"),
    ("A123456(3)", "<id>"),  # the usual example of Hong Kong
    ("A123456(4)", "A123456(4)"),
    ("AB987654(3)", "<id>"),
    ("HKID: A1234563", "HKID: <id>"),
    ("part A1234563", "part A1234563"),
    ("A000002(A) or 香港身份证 A000002A", "<id> or 香港身份证 <id>"),
    ("A000003(A)", "A000003(A)"),
    ("part A000002A", "part A000002A"),
    ("身份证 A123456（3）、A000002（A）", "身份证 <id>、<id>"),
    ("NRIC S1234567D, FIN: M1234567K", "NRIC <id>, FIN: <id>"),
    ("NRIC S1234567A", "NRIC S1234567A"),
    ("part S1234567D", "part S1234567D"),
    ("Aadhaar 2341 2341 2346, aadhaar: 234123412346", "Aadhaar <id>, aadhaar: <id>"),
    ("Aadhaar 2341 2341 2347", "Aadhaar 2341 2341 2347"),
    ("order 2341 2341 2346", "order 2341 2341 2346"),
    ("CPF 390.533.447-05, 390.533.447-06", "CPF <id>, 390.533.447-06"),
    ("A123456789", "<id>"),  # the usual example of Taiwan
    ("A123456788", "A123456788"),
    ("SSN 123-45-6789", "SSN <id>"),
    ("000-45-6789 666-45-6789 912-45-6789 123-00-6789", "000-45-6789 666-45-6789 912-45-6789 123-00-6789"),
    ("4111 1111 1111 1111, 4111-1111-1111-1112", "<card>, 4111-1111-1111-1112"),
    ("4111 1111 1111 1111 12/27, 5555555555554444 123", "<card> 12/27, <card> 123"),
    ("3782 822463 10005 1234", "<card> 1234"),
    ("6222 02 0000", "6222 02 0000"),
    ("GB82 WEST 1234 5698 7654 32", "<iban>"),
    ("ES91 2100 0418 4502 0005 1332 BIC CAIXESBB", "<iban> BIC CAIXESBB"),
    ("SE3550000000054910000003 SWIFT", "<iban> SWIFT"),
    ("GB82 WEST 1234 5698 7654 33", "GB82 WEST 1234 5698 7654 33"),
    ("to a_@mail.example.org", "to <mail>"),
    ("write to ann.lee+x@mail.example.org.", "write to <mail>."),
    ("邮箱wang@163.com谢谢", "邮箱<mail>谢谢"),
    ("logo@2x.png git@github.com:a/b @app.route a@b", "logo@2x.png git@github.com:a/b @app.route a@b"),
    ("手机13812345678。", "手机<phone>。"),
    ("+86 138-1234-5678 / 138 1234 5678", "<phone> / <phone>"),
    ("电话 010-62345678 (0755) 26345678", "电话 <phone> <phone>"),
    ("张三,13812345678,35\n13812345678,13912345678", "张三,<phone>,35\n<phone>,<phone>"),
    ("Tel.13812345678, TEL.010-62345678; No.11010519491231002X", "Tel.<phone>, TEL.<phone>; No.<id>"),
    ("13812345678 - 李经理, 13812345678-王", "<phone> - 李经理, <phone>-王"),
    ("（010）62345678", "<phone>"),
    ("+44 20 7946 0958, +4915112345678", "<phone>, <phone>"),
    ("(415) 555-2671 or 415-555-2671 or 1-800-555-1234", "<phone> or <phone> or <phone>"),
    ("from 85.214.157.71 to 2606:4700:4700::1111", "from <ip> to <ip>"),
    ("85.214.157.71,8.8.4.42", "<ip>,<ip>"),
    ("192.168.0.1 127.0.0.1 10.1.2.3 fe80::1 2001:db8::1", "192.168.0.1 127.0.0.1 10.1.2.3 fe80::1 2001:db8::1"),
    ("AKIAIOSFODNN7EXAMPLE", "<key>"),
    ("ghp_" + "a1B2" * 9, "<key>"),
    ("xoxb-123456789012-abcdefGHIJKL", "<key>"),
    ("sk-proj-Ab12Cd34Ef56Gh78Ij90", "<key>"),
    ("hf_" + "aBcDeFgHiJkLmNoPq" * 2, "<key>"),
    ("hf_hub_download and hf_transfer", "hf_hub_download and hf_transfer"),
    ("sk_live_" + "a1B2" * 6 + ", rk_test_" + "a1B2" * 6, "<key>, <key>"),
    ("glpat-" + "z_s-" * 5, "<key>"),
    ("glpat-" + "z_sxg" * 6 + ".01.101z2x4y6", "<key>"),
    ("LTAI" + "a1B2" * 5, "<key>"),
    ("sk-learn and sk-something-without-any-number", "sk-learn and sk-something-without-any-number"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "<key>"),
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----\nb", "a\n<key>\nb"),
    ("-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----"),
    ('password="x9Qm4-zT7bLw2"', 'password="<key>"'),
    ('{"api_key": "a1b2c3d4e5f6g7h8"}', '{"api_key": "<key>"}'),
    ("secret\t=\tx9Qm4-zT7bLw2", "secret\t=\t<key>"),
    ("token\x0b=x9Qm4-zT7bLw2, 'token'\u3000: 'x9Qm4-zT7bLw2'", "token\x0b=<key>, 'token'\u3000: '<key>'"),
    ("token: 8f14e45fceea167a5a36dedd4bea2543", "token: <key>"),
    ("密码：Hk82ncLp0Qa7", "密码：<key>"),
    ("密码：Hk82ncLp0Qa7。登录后请立刻修改", "密码：<key>。登录后请立刻修改"),
    ("密码：请参见第3节中关于SSH登录的说明，首次登录后修改", "密码：请参见第3节中关于SSH登录的说明，首次登录后修改"),
    ("authToken=x9Qm4-zT7bLw2; clientSecret: 'x9Qm4-zT7bLw2'", "authToken=<key>; clientSecret: '<key>'"),
    ("token=" + "x9Qm4-zT7bLw2" * 40, "token=<key>"),
    ("password = get_password(user)", "password = get_password(user)"),
    ("password: correcthorsebatterystaple", "password: correcthorsebatterystaple"),
    ("token=aaaaaaaaaaaa1", "token=aaaaaaaaaaaa1"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_each_form(text: str, expected: str) -> None:
    assert private.mask(text) == expected


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_checksums_beside_a_word_catch_every_wrong_digit(seed: int) -> None:
    rng = random.Random(seed)
    body = str(rng.randint(2, 9)) + digits(rng, 10)
    right = [f"{body}{last}" for last in "0123456789" if private.mask(f"Aadhaar {body}{last}") == "Aadhaar <id>"]
    assert len(right) == 1
    wrong = other_digit(right[0], rng, rng.randrange(1, 12))
    assert private.mask(f"Aadhaar {wrong}") == f"Aadhaar {wrong}"
    neighbours = list(right[0])
    at = rng.randrange(1, 11)
    neighbours[at], neighbours[at + 1] = neighbours[at + 1], neighbours[at]
    swapped = "".join(neighbours)
    assert swapped == right[0] or private.mask(f"Aadhaar {swapped}") == f"Aadhaar {swapped}"


ORDINARY = (
    "The price fell from $1,299.99 to 1 099,50 € on 2024-11-26 at 12:30:45, 35% off order 20241126-000123.",
    "Version 1.2.3.4 needs Python 3.11.7 and libfoo 10.0.19041.1; see section 49.6.4.7 and RFC 2606.",
    "49.6.4.8. Generic Message Callback\n49.6.4.10. Origin Filter",
    "x = 0x7fffffff; y = 2147483647; z = -9223372036854775808; pi = 3.14159265358979323846; n = 1e15",
    "人口 1411780000，面积 9600000 平方公里，售价 19999999999 元，编号 2024-0512-0007。",
    "ISBN 978-3-16-148410-0, EAN 4006381333931, timestamps 1700000000 and 1700000000000, 1700000000000000000.",
    "commit 8f14e45fceea167a5a36dedd4bea2543f2c1a9d0, uuid 123e4567-e89b-12d3-a456-426614174000",
    "std::vector<int> a; f::g::h(); 10:20:30; 00:1B:44:11:3A:B7; range(1000000, 9999999)",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; 555-0100; 0.123456789; 12345678901234567890",
    "Sort 42 17 93 55 61 18 18 and 4 0 1 2 8 8 8 8 8 8 8 8 1 8 8 1 and 4-0-1-2-8-8-8-8-8-8-8-8-1-8-8-1.",
    "No.1.2.3.40 and 0.13912345678 and 13912345678.5 and 13912345678 - 5",
    "int32 reaches from -2147483648 to +2147483647 and 1+23456789 is 23456790.",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_numbers_stay(text: str) -> None:
    assert private.mask(text) == text


def test_generated_prices_dates_and_sums_stay() -> None:
    rng = random.Random(0)
    for _ in range(300):
        price, number, version = rng.randint(1, 10**7) / 100, rng.randrange(10**10), rng.choices(range(100), k=3)
        day = f"{rng.randint(1990, 2030)}-{rng.randint(10, 12)}-{rng.randint(10, 28)}"
        text = f"{price:,.2f} on {day} or {day.replace('-', '')}: {number} = {number // 7} * 7 + {number % 7}, v"
        text += ".".join(map(str, version))
        assert private.mask(text) == text


def test_turns_and_text_are_masked_alike_and_counted() -> None:
    sample = talk("Call 13812345678 or a@b.com", "I wrote to c@d.org", "mail c@d.org, see <mail>", answer="c@d.org")
    rows = store.to_table([sample, talk("What is 2024 - 1999?", "25")])
    changed = private.change(rows)
    first, second = store.from_table(changed.select(store.SCHEMA.names))
    assert [turn.text for turn in first.turns] == ["Call <phone> or <mail>", "I wrote to <mail>"]
    assert (first.turns[1].thought, first.meta["answer"]) == ("mail <mail>, see <mail>", "<mail>")
    assert changed["text"][0].as_py() == "Call <phone> or <mail>\nI wrote to <mail>"
    assert changed["masked"].to_pylist() == [["mail", "mail", "mail", "phone"], []]
    assert changed["id"][1].as_py() == rows["id"][1].as_py() == second.fingerprint
    assert private.counts(changed) == {**dict.fromkeys(private.SORTS, 0), "mail": 3, "phone": 1}


def test_every_form_opens_its_row() -> None:
    """The search over the column finds whatever a rule would mask."""
    changed = private.change(documents(*(text for text, _ in FORMS)))
    assert changed["text"].to_pylist() == [expected for _, expected in FORMS]
