"""English sentences for word problems and sums, for training and held out."""

from __future__ import annotations

from lapis.data.synth.frames import Frames, sentences

GAIN = ("buys", "gets", "finds", "wins", "adds")
"""Verbs of getting."""
LOSS = ("sells", "loses", "drops", "uses", "gives away")
"""Verbs of losing."""

TELLING = {
    "+": (*GAIN, "add", "plus", "put", "bring"),
    "-": (*LOSS, "gives", "take", "subtract", "minus", "lends", "back", "lost", "broken"),
    "*": ("times", "multiply", "boxes", "bags", "each"),
    "/": ("half", "halve"),
}
"""Words by the sign that they tell."""

MEN = (
    "Tom", "Ben", "Jack", "Sam", "Paul", "Leo", "Max", "Adam", "Luke", "Dan", "Mark", "Eric", "Ivan", "Carl",
    "Fred", "Alan", "Rob", "Tim",
)  # fmt: skip
"""Names told with he and him."""
WOMEN = (
    "Ann", "Mia", "Lucy", "Emma", "Rosa", "Kate", "Lena", "Eva", "Jane", "Ruth", "Alice", "Amy", "Clara",
    "Nora", "Lily", "Ella", "Zoe", "Meg",
)  # fmt: skip
"""Names told with she and her."""
THINGS = (
    "apples", "pens", "books", "stamps", "coins", "cards", "eggs", "cups", "shells", "stones", "photos",
    "tickets", "keys", "toys", "nuts", "plums", "cakes", "balls", "kites", "hats", "shoes", "maps", "lamps",
    "plates", "candles", "flowers", "bottles", "dolls",
)  # fmt: skip
"""What is counted."""
PLACES = (
    "at the shop", "in the park", "at school", "today", "in the garden", "by the lake", "at the fair", "on the train",
    "at the market", "in the kitchen", "in town", "at the beach", "on the bus", "at the club", "in the yard",
    "at the farm", "this week", "last night", "in the city", "also", "quickly", "even", "again", "at once", "gladly",
    "without a word", "with a friend", "for once", "as always", "before dinner", "in the evening", "at noon",
    "at the {l}", "in the {l}", "by the {l}", "near {l}", "on the {l}", "with {l}", "after {l}", "{l}",
)  # fmt: skip
"""Where, when and how; all stand at the same places of a sentence."""

HAVE = ("has", "keeps", "owns", "holds", "carries", "starts with", "counts", "has got")
"""Verbs of having."""
AT_FIRST = (
    "today", "at first", "one day", "at home", "in a box", "on the shelf", "on the table", "to begin with", "early on",
    "at school", "this year", "on Friday", "at dawn", "in a bag", "in the drawer", "at the shop", "by chance",
    "at the {l}", "in the {l}", "in {l}", "after {l}", "{l}",
)  # fmt: skip
"""Where and when a story begins."""

TRAIN = Frames(
    people=(*((name, "he", "him") for name in MEN), *((name, "she", "her") for name in WOMEN)),
    things=tuple((name, "") for name in THINGS),
    openings={
        "": sentences(
            (
                "{s} V {n} {o}.",
                "L {s} V {n} {o}.",
                "L, {s} V {n} {o}.",
                "{s} V {n} {o} L.",
                "{s} L V {n} {o}.",
                "L there are {n} {o} with {s}.",
                "{n} {o} L belong to {s}.",
                "there are {n} {o} L, and {s} V them.",
                "the {o} that {s} V L number {n}.",
            ),
            HAVE,
            AT_FIRST,
            (
                "there are {n} {o} on the table of {s}.",
                "in the bag of {s} there are {n} {o}.",
                "the box of {s} holds {n} {o}.",
                "{n} {o} lie on the desk of {s}.",
                "{n} is the number of {o} that {s} has.",
                "{n} {o} fill the box of {s}.",
            ),
        ),
        "*": (
            "{s} has {k} boxes with {n} {o} each.",
            "{s} has {k} bags of {n} {o}.",
            "There are {k} boxes with {n} {o} each at the house of {s}.",
            "today {s} has {k} boxes of {n} {o} each.",
            "{k} bags of {n} {o} each belong to {s}.",
            "{s} owns {k} full bags, and in each there are {n} {o}.",
        ),
        "+": (
            "{s} has {n} {o} at home and {m} {o} at school.",
            "{s} has {n} red {o} and {m} blue {o}.",
            "today {s} keeps {n} old {o} and {m} new {o}.",
            "{n} red {o} and {m} blue {o} belong to {s}.",
            "there are {n} old {o} and {m} new {o} with {s}.",
        ),
        "-": (
            "{s} has a bag of {n} {o} with {m} broken ones.",
            "{s} had {n} {o} but lost {m}.",
            "today {s} has {n} {o}, of which {m} are broken.",
            "{s} owned {n} {o}, then lost {m}.",
        ),
    },
    changes={
        "+": sentences(
            (
                "{p} V {n} {o}.",
                "{p} V {n} more.",
                "{s} V {n} {o}.",
                "{s} V {n} more.",
                "{p} V {n} L.",
                "{s} V {n} {o} L.",
                "L {p} V {n}.",
                "L {s} V {n} {o}.",
                "L {s} V {n} more.",
                "{s} L V {n}.",
                "{p} L V {n} {o}.",
                "L, {s} V {n} {o}.",
                "L, {p} V {n} more.",
                "{s} V a further {n}.",
                "{p} L V yet {n} more.",
                "{s} V some {o}, {n} in all.",
            ),
            GAIN,
            PLACES,
            ("{f} brings {h} {n} {o}.", "{f} brings {n} more.", "{f} brings {n} {o}."),
        ),
        "-": sentences(
            (
                "{p} V {n} {o}.",
                "{p} V {n} of them.",
                "{s} V {n} {o}.",
                "{s} V {n} of them.",
                "{p} V {n} L.",
                "{s} V {n} {o} L.",
                "L {p} V {n}.",
                "L {s} V {n} {o}.",
                "L {s} V {n} of them.",
                "{s} L V {n}.",
                "{p} L V {n} {o}.",
                "L, {s} V {n} {o}.",
                "L, {p} V {n} of them.",
                "{s} V a further {n}.",
                "{p} L V yet {n} more.",
                "{s} V some {o}, {n} in all.",
            ),
            LOSS,
            PLACES,
            ("{p} gives {n} to {f}.", "{f} takes {n} of the {o}.", "{p} gives {f} {n} {o}."),
        ),
        "*": (
            "the number of {o} becomes {k} times as large.",
            "{p} now has {k} times as many.",
            "the {o} grow to {k} times as many.",
            "today there are {k} times as many {o}.",
            "at once {p} has {k} times as many {o}.",
            "in the evening the {o} are {k} times as many.",
        ),
        "/": (
            "{p} gives half of them away.",
            "{p} sells half of the {o}.",
            "{p} loses half of the {o}.",
            "{s} uses half of the {o}.",
            "at the fair {p} sells half of them.",
            "{s} drops half of all {o} at the lake.",
            "in the evening {p} loses half.",
        ),
        "+*": (
            "{p} buys {k} boxes of {n} {o}.",
            "{p} gets {k} bags with {n} {o} each.",
            "{k} friends bring {h} {n} {o} each.",
            "{p} finds {k} boxes with {n} {o} each.",
            "today {s} wins {k} boxes of {n} each.",
            "at the shop {p} buys {k} bags, each of {n} {o}.",
        ),
        "-*": (
            "{p} gives {k} friends {n} {o} each.",
            "{p} sells {k} boxes of {n} {o}.",
            "{k} friends take {n} {o} each.",
            "{p} loses {k} bags with {n} {o} each.",
            "today {s} sells {k} bags, each of {n}.",
            "at the fair {p} drops {k} boxes of {n} {o} each.",
        ),
        "++": (
            "{p} buys {n} red {o} and {m} blue {o} as one gift.",
            "{p} finds {n} red {o} and {m} blue {o} in one box.",
        ),
        "+-": (
            "{p} buys a bag of {n} {o} with {m} broken ones.",
            "{p} finds a bag of {n} {o} but loses {m} of it.",
        ),
        "-+": (
            "{p} sells {n} red {o} and {m} blue {o} as one gift.",
            "{p} loses {n} red {o} and {m} blue {o} in one box.",
        ),
        "--": (
            "{p} lends {f} {n} {o} but gets back {m} of it.",
            "{p} sells a bag of {n} {o} but gets back {m} of it.",
        ),
    },
    questions=(
        "How many {o} does {s} have now?",
        "How many {o} are there now?",
        "How many {o} does {s} have in the end?",
        "What is the number of {o} now?",
        "How many {o} remain with {s}?",
        "Now how many {o} does {s} have?",
        "Count the {o} of {s} now.",
        "So how many {o} are left?",
        "What is the final number of {o}?",
        "Say how many {o} {s} has now.",
    ),
    links=(
        "",
        "",
        "then ",
        "after that ",
        "next ",
        "now ",
        "and ",
        "but ",
        "so ",
        "a day after ",
        "in the end ",
        "before long ",
        "at last ",
        "that night ",
        "still ",
        "on Sunday ",
        "an hour after that ",
        "once more ",
    ),  # fmt: skip
    joint=" ",
    sums=(
        "What is {e}?",
        "Compute {e}.",
        "{e}=?",
        "Find the value of {e}.",
        "Work out {e}.",
        "Calculate {e}.",
        "Give the result of {e}.",
        "{e} equals what?",
        "Solve {e}.",
        "Can you work out {e}?",
        "Say what {e} is.",
    ),  # fmt: skip
    spoken={
        "start": (
            "Start with {n}.",
            "Take the number {n}.",
            "Begin at {n}.",
            "We have {n}.",
            "Let us take {n}.",
            "At the start there is {n}.",
            "{n} is where we start.",
            "Think of {n}.",
            "Write down {n}.",
        ),  # fmt: skip
        "+": (
            "Add {n}.",
            "Put {n} on top.",
            "Plus {n}.",
            "Then add {n}.",
            "We add {n} more.",
            "Add {n} to it.",
            "Go on and add {n}.",
            "Let us add {n}.",
            "To the result add {n}.",
            "Next, add {n} to the total.",
        ),  # fmt: skip
        "-": (
            "Subtract {n}.",
            "Take away {n}.",
            "Minus {n}.",
            "Then subtract {n}.",
            "We take {n} away.",
            "Subtract {n} from it.",
            "Go on and subtract {n}.",
            "Let us take away {n}.",
            "From the result subtract {n}.",
            "Next, take {n} from the total.",
        ),
        "*": (
            "Multiply by {k}.",
            "Times {k}.",
            "Then multiply it by {k}.",
            "Let us multiply by {k}.",
            "Next, multiply the total by {k}.",
        ),  # fmt: skip
        "/": (
            "Halve it.",
            "Take half of it.",
            "Then take one half.",
            "Let us halve it.",
            "Next, take half of the total.",
        ),
        "ask": (
            "What do you get?",
            "What is the result?",
            "What comes out?",
            "Where do we end?",
            "Say the final number.",
            "So what is the total?",
        ),  # fmt: skip
    },
    blended=0.5,
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
            "On Monday {s} has {k} bags with {n} {o} in each.",
            "{k} boxes, each with {n} {o}, are what {s} has.",
        ),
        "+": ("On Monday {s} has {n} large {o} and {m} small {o}.",),
        "-": ("On Monday {s} had {n} {o} but then lost {m}.",),
    },
    changes={
        "+": sentences(
            ("{s} V another {n}.", "{s} L V {n} {o}.", "L, {p} also V {n} {o}.", "with luck {s} V {n}."),
            GAIN,
            ("after lunch", "near the river", "on the way home"),
        ),
        "-": sentences(
            ("{s} V another {n}.", "{s} L V {n} {o}.", "L, {p} also V {n} {o}.", "sadly {s} V {n}."),
            LOSS,
            ("after lunch", "near the river", "on the way home"),
        ),
        "*": ("{s} suddenly has {k} times as many {o}.", "they become {k} times as many."),
        "/": ("after lunch {s} loses half of them.", "sadly {s} gives half of all {o} away."),
        "+*": ("{s} buys {k} more bags with {n} in each.", "after lunch {s} finds {k} boxes of {n}."),
        "-*": ("after lunch {k} friends of {s} take {n} each.", "{s} sells {k} large boxes with {n} each."),
        "++": ("{s} finds {n} large {o} and {m} small {o} in one bag.",),
        "+-": ("{s} gets a box of {n} {o} with {m} broken ones.",),
        "-+": ("{s} sells {n} large {o} and {m} small {o} in one bag.",),
        "--": ("{s} lends {f} a box of {n} but gets back {m} of it.",),
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
