"""English sentences for word problems and sums, for training and held out."""

from __future__ import annotations

from lapis.data.synth.frames import Frames, sentences

GAIN = (
    ("buys", "bought"),
    ("gets", "bought"),
    ("finds", "found"),
    ("receives", "received"),
    ("wins", "won"),
    ("collects", "collected"),
    ("picks up", "picked up"),
)
"""Verbs of getting: active, participle."""
LOSS = (
    ("sells", "sold"),
    ("loses", "lost"),
    ("gives away", "given away"),
    ("uses up", "used up"),
    ("throws away", "thrown away"),
    ("drops", "dropped"),
    ("lends out", "lent out"),
)
"""Verbs of losing."""

TRAIN = Frames(
    people=(
        ("Tom", "he", "him"),
        ("Ann", "she", "her"),
        ("Ben", "he", "him"),
        ("Mia", "she", "her"),
        ("Jack", "he", "him"),
        ("Lucy", "she", "her"),
        ("Sam", "he", "him"),
        ("Emma", "she", "her"),
        ("Paul", "he", "him"),
        ("Rosa", "she", "her"),
        ("Leo", "he", "him"),
        ("Kate", "she", "her"),
    ),
    things=tuple(
        (name, "")
        for name in (
            "apples",
            "pens",
            "books",
            "stamps",
            "coins",
            "cards",
            "eggs",
            "cups",
            "shells",
            "stones",
            "photos",
            "tickets",
            "keys",
            "toys",
        )
    ),
    openings={
        "": (
            "{s} has {n} {o}.",
            "{s} starts with {n} {o}.",
            "At first {s} has {n} {o}.",
            "There are {n} {o} on the table of {s}.",
            "{s} keeps {n} {o} in a box.",
            "In the bag of {s} there are {n} {o}.",
            "{s} brings {n} {o} along.",
            "Today {s} has {n} {o} in the bag.",
        ),
        "*": (
            "{s} has {k} boxes with {n} {o} each.",
            "{s} has {k} bags of {n} {o}.",
            "There are {n} {o} in each of the {k} boxes of {s}.",
        ),
        "+": ("{s} has {n} {o} at home and {m} {o} at school.", "{s} has {n} red {o} and {m} blue {o}."),
        "-": ("Of the {n} {o} of {s}, {m} are lost.", "{s} had {n} {o} but lost {m}."),
    },
    changes={
        "+": sentences(
            (
                "{p} V {n} {o}.",
                "{p} V {n} more L.",
                "{p} V {n} {o} L.",
                "{s} V {n} {o} L.",
                "L {p} V {n} {o}.",
                "L {s} V {n} more.",
                "{n} {o} are D L.",
                "{n} more are D.",
            ),
            GAIN,
            ("at the market", "in the park", "from {f}", "at school", "today"),
            ("{f} gives {h} {n} {o}.", "{f} gives {h} {n} more.", "{f} brings {n} {o}.") * 5,
        ),
        "-": sentences(
            (
                "{p} V {n} {o}.",
                "{p} V {n} of them L.",
                "{p} V {n} {o} L.",
                "{s} V {n} {o} L.",
                "L {p} V {n} {o}.",
                "L {s} V {n} of them.",
                "{n} {o} are D L.",
                "{n} of them are D.",
            ),
            LOSS,
            ("at the market", "in the park", "with {f}", "at school", "today"),
            ("{p} gives {n} to {f}.", "{f} takes {n} of the {o}.", "to {f} {p} gives {n} {o}.") * 5,
        ),
        "*": (
            "the number of {o} becomes {k} times as large.",
            "{p} now has {k} times as many.",
            "the {o} grow to {k} times as many.",
            "today there are {k} times as many {o}.",
        ),
        "/": (
            "{p} gives half of them away.",
            "half of the {o} are sold.",
            "{p} loses half of the {o}.",
            "{s} uses up half of the {o}.",
            "half of them are lost.",
        ),
        "+*": (
            "{p} buys {k} boxes of {n} {o}.",
            "{p} gets {k} bags with {n} {o} each.",
            "{k} friends give {h} {n} {o} each.",
            "{p} finds {k} boxes with {n} {o} each.",
        ),
        "-*": (
            "{p} gives {n} {o} to each of {k} friends.",
            "{p} sells {k} boxes of {n} {o}.",
            "{k} friends take {n} {o} each.",
            "{p} loses {k} bags with {n} {o} each.",
        ),
        "++": (
            "{f} has {n} {o}, buys {m} more and gives all of them to {h}.",
            "{p} buys {n} red {o} and {m} blue {o} as well.",
            "{p} finds {n} red {o} and {m} blue {o} as well.",
        ),
        "+-": (
            "{f} has {n} {o}, sells {m} and gives the rest to {h}.",
            "{p} buys {n} {o}, but {m} of these are lost.",
            "{p} finds {n} {o}, but {m} of these are sold.",
        ),
        "-+": (
            "{p} gives {n} {o} to {f} and {m} {o} to a shop, all at once.",
            "{p} sells {n} red {o} and {m} blue {o}.",
        ),
        "--": (
            "{p} lends {n} {o} to {f}, who only brings {m} of these back.",
            "{p} lends out {n} {o}, and {m} of these come back.",
        ),
    },
    questions=(
        "How many {o} does {s} have now?",
        "How many {o} are there now?",
        "How many {o} does {s} have in the end?",
        "What is the number of {o} now?",
    ),
    links=("", "", "then ", "after that ", "next ", "now "),
    joint=" ",
    sums=("What is {e}?", "Compute {e}.", "{e}=?", "Find the value of {e}.", "Work out {e}."),
    spoken={
        "start": ("Start with {n}.", "Take the number {n}.", "Begin at {n}.", "We have {n}."),
        "+": ("Add {n}.", "Put {n} on top.", "Plus {n}.", "Then add {n}.", "We add {n} more.", "Add {n} to it."),
        "-": (
            "Subtract {n}.",
            "Take away {n}.",
            "Minus {n}.",
            "Then subtract {n}.",
            "We take {n} away.",
            "Subtract {n} from it.",
        ),
        "*": ("Multiply by {k}.", "Times {k}.", "Then multiply it by {k}."),
        "/": ("Halve it.", "Take half of it.", "Then take one half."),
        "ask": ("What do you get?", "What is the result?"),
    },
)

HELD = Frames(
    people=(
        ("Nina", "she", "her"),
        ("Oscar", "he", "him"),
        ("Vera", "she", "her"),
        ("Hugo", "he", "him"),
        ("Ida", "she", "her"),
        ("Felix", "he", "him"),
    ),
    things=tuple((name, "") for name in ("lemons", "spoons", "buttons", "marbles", "ribbons", "pencils")),
    openings={
        "": (
            "In the morning {n} {o} are in the box of {s}.",
            "On Monday the bag of {s} has {n} {o} in it.",
            "{n} {o} are what {s} has at the start.",
        ),
        "*": (
            "On Monday {s} has {k} bags, and {n} {o} are in each.",
            "{k} boxes, each with {n} {o}, are what {s} has.",
        ),
        "+": ("On Monday {s} has {n} large {o} and {m} small {o}.",),
        "-": ("{n} {o} were in the bag of {s}, but {m} are lost.",),
    },
    changes={
        "+": sentences(
            (
                "{s} V another {n} L.",
                "another {n} {o} are D by {s}.",
                "L, {n} {o} are D by {s}.",
                "L, {p} also V {n} of them.",
            ),
            GAIN,
            ("after lunch", "near the river", "on the way home"),
        ),
        "-": sentences(
            (
                "{s} V another {n} L.",
                "another {n} {o} are D by {s}.",
                "L, {n} {o} are D by {s}.",
                "L, {p} also V {n} {o}.",
            ),
            LOSS,
            ("after lunch", "near the river", "on the way home"),
        ),
        "*": ("{s} suddenly has {k} times as many {o}.", "they become {k} times as many."),
        "/": ("after lunch {s} loses half of them.", "of the {o}, half are sold by {s}."),
        "+*": ("{s} buys {k} more bags, and {n} {o} are in each.", "after lunch {s} finds {k} boxes of {n}."),
        "-*": ("after lunch {k} friends of {s} take {n} each.", "{s} sells {n} {o} to each of {k} friends."),
        "++": ("{s} finds {n} large {o} and {m} small {o} too.",),
        "+-": ("{n} {o} are bought by {s}, but {m} of these are lost.",),
        "-+": ("{s} sells {n} large {o} and {m} small {o}.",),
        "--": ("{s} lends out {n} of them, and {f} brings {m} of these back.",),
    },
    questions=(
        "What number of {o} does {s} have at last?",
        "How many {o} are with {s} at the end of the day?",
        "At the end, how many {o} are there?",
    ),
    links=("", "", "later ", "soon ", "on Tuesday "),
    joint=" ",
    sums=("Please tell me the value of {e}.", "How much is {e}?", "Which number is {e}?"),
    spoken={
        "start": ("The first number is {n}.", "We begin with {n}."),
        "+": ("Now add {n} to that.", "After this, add {n}."),
        "-": ("Now subtract {n} from that.", "After this, take away {n}."),
        "*": ("Now multiply that by {k}.",),
        "/": ("Now take half of that.",),
        "ask": ("Which number do we get?", "Tell me the result."),
    },
)
