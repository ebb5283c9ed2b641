"""English sentences for word problems and sums, for training and held out."""

from __future__ import annotations

from lapis.data.synth.frames import Frames

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
        "+": (
            "{p} buys {n} more.",
            "{p} gets {n} {o} from {f}.",
            "{p} finds {n} {o}.",
            "{f} gives {h} {n} more.",
            "{n} more {o} are bought.",
            "{p} receives {n} {o} as a present.",
            "{p} wins {n} {o} in a game.",
            "from a shop {p} gets {n} {o}.",
        ),
        "-": (
            "{p} gives {n} to {f}.",
            "{p} sells {n} {o}.",
            "{p} loses {n} of them.",
            "{n} {o} are sold.",
            "{p} gives away {n} {o}.",
            "{f} takes {n} of the {o}.",
            "{n} of them are lost.",
            "to {f} {p} hands {n} {o}.",
        ),
        "*": (
            "the number of {o} becomes {k} times as large.",
            "{p} now has {k} times as many.",
            "the {o} grow to {k} times as many.",
        ),
        "/": ("{p} gives half of them away.", "half of the {o} are sold.", "{p} loses half of the {o}."),
        "+*": (
            "{p} buys {k} boxes of {n} {o}.",
            "{p} gets {k} bags with {n} {o} each.",
            "{k} friends give {h} {n} {o} each.",
        ),
        "-*": (
            "{p} gives {n} {o} to each of {k} friends.",
            "{p} sells {k} boxes of {n} {o}.",
            "{k} friends take {n} {o} each.",
        ),
        "++": (
            "{f} has {n} {o}, buys {m} more and gives all of them to {h}.",
            "{p} buys {n} red {o} and {m} blue {o} as well.",
        ),
        "+-": (
            "{f} has {n} {o}, sells {m} and gives the rest to {h}.",
            "{p} buys {n} {o}, but {m} of these are lost.",
        ),
        "-+": ("{p} gives {n} {o} to {f} and {m} {o} to a shop, all at once.",),
        "--": ("{p} lends {n} {o} to {f}, who only brings {m} of these back.",),
    },
    questions=(
        "How many {o} does {s} have now?",
        "How many {o} are there now?",
        "How many {o} does {s} have in the end?",
        "What is the number of {o} now?",
    ),
    links=("", "", "Then ", "After that ", "Next ", "Now "),
    joint=" ",
    sums=("What is {e}?", "Compute {e}.", "{e}=?", "Find the value of {e}.", "Work out {e}."),
    spoken={
        "start": ("Start with {n}.", "Take the number {n}.", "Begin at {n}."),
        "+": ("Add {n}.", "Put {n} on top.", "Plus {n}."),
        "-": ("Subtract {n}.", "Take away {n}.", "Minus {n}."),
        "*": ("Multiply by {k}.", "Times {k}."),
        "/": ("Halve it.", "Take half of it."),
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
        "*": ("On Monday {s} has {n} {o} in each of {k} bags.", "{k} boxes, each with {n} {o}, are what {s} has."),
        "+": ("On Monday {s} has {n} large {o} and {m} small {o}.",),
        "-": ("{n} {o} were in the bag of {s}, but {m} are lost.",),
    },
    changes={
        "+": (
            "another {n} are bought by {s}.",
            "{s} gets {n} {o} more, which {f} gives.",
            "under a tree {s} finds {n} of them.",
            "as a present from {f}, {n} {o} more come to {s}.",
        ),
        "-": (
            "another {n} are sold by {s}.",
            "off to {f} go {n} {o} that {s} gives away.",
            "on the way {s} loses {n} {o}.",
            "{n} {o} are given away to {f}.",
        ),
        "*": ("{s} suddenly has {k} times as many {o}.", "they become {k} times as many."),
        "/": ("the bag of {s} loses half of the {o}.", "of the {o}, {s} gives half away."),
        "+*": ("from each of {k} friends {s} gets {n} {o}.", "{s} finds {k} boxes, and {n} {o} are in each."),
        "-*": ("to {k} friends {s} gives {n} {o} each.", "{s} sells {n} {o} on each of {k} days."),
        "++": ("{s} finds {n} large {o} and {m} small {o} too.",),
        "+-": ("{n} {o} are bought by {s}, but {m} of these are lost.",),
        "-+": ("{s} sells {n} {o} to {f} and {m} {o} to a shop, all at once.",),
        "--": ("{f} takes {n} {o} but brings {m} of these back.",),
    },
    questions=(
        "What number of {o} does {s} have at last?",
        "How many {o} are with {s} at the end of the day?",
        "At the end, how many {o} are there?",
    ),
    links=("", "Later ", "In the evening ", "On Tuesday ", "Soon "),
    joint=" ",
    sums=("Please tell me the value of {e}.", "How much is {e}?", "Which number is {e}?"),
    spoken={
        "start": ("The first number is {n}.", "We begin with {n}."),
        "+": ("Now add {n} to it.", "We add {n}."),
        "-": ("Now take {n} away.", "We subtract {n}."),
        "*": ("Now multiply it by {k}.", "We take it {k} times."),
        "/": ("Now take a half.", "We halve it."),
        "ask": ("Which number do we get?", "Tell me the result."),
    },
)
