"""How busy engines are kept: groups handed out as engines have room and carried over steps, against dealing in turn.

Times are SIMULATED: a decode step of an engine takes a fixed time for its weights and a little for every answer that it
writes. What hands groups out is the real dispatcher. Answers are long-tailed (Pareto), a group's are alike in length,
as hard questions are. Dealt in turn, a step of RL ends with its longest answer; carried over, the next steps' groups
are begun meanwhile, as the asynchronous pool does. The dispatcher's share with an end to every step stands beside.

python -m bench.dispatch_busy
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bench.parts.line import say
from lapis.rl.fleet.dispatch import Dispatcher
from lapis.rl.fleet.messages import Key, Question
from lapis.types import Request

ENGINES, SLOTS, GROUPS, MEMBERS, MOST = 4, 32, 64, 8, 2048
WEIGHTS, ANSWER = 1.0, 0.02
"""Time of a decode step, and what each answer adds to it."""
STEPS = 50
Lengths = dict[Key, int]


@dataclass(slots=True)
class Engine:
    """What it has left to write, by answer."""

    left: dict[Key, int] = field(default_factory=dict)
    clock: float = 0.0
    busy: float = 0.0

    @property
    def next(self) -> float:
        """When its next answer ends."""
        return self.clock + min(self.left.values()) * (WEIGHTS + ANSWER * len(self.left))

    def advance(self) -> list[Key]:
        """Write until the next answer ends."""
        tokens, taken = min(self.left.values()), self.next - self.clock
        self.clock, self.busy = self.clock + taken, self.busy + taken
        self.left = {key: left - tokens for key, left in self.left.items()}
        done = [key for key, left in self.left.items() if not left]
        self.left = {key: left for key, left in self.left.items() if left}
        return done


def lengths(seed: int, groups: int = GROUPS) -> Lengths:
    """Tokens of every answer."""
    draw = random.Random(seed)
    found = {}
    for place in range(groups):
        usual = 40 * draw.paretovariate(1.2)
        for member in range(MEMBERS):
            found[place, member] = min(MOST, max(4, round(usual * draw.lognormvariate(0, 0.4))))
    return found


def handed_out(written: Lengths) -> tuple[float, float]:
    """(busy share, time) with the dispatcher."""
    dispatcher, engines = Dispatcher(SLOTS), {str(n): Engine() for n in range(ENGINES)}
    for name in engines:
        dispatcher.join(name)
    for place in range(len(written) // MEMBERS):
        asked = [Question((place, member), Request(())) for member in range(MEMBERS)]
        dispatcher.add(asked, [MOST] * MEMBERS)
    now = 0.0
    while True:
        while (given := dispatcher.next()) is not None:
            name, questions = given
            engine = engines[name]
            engine.clock = engine.clock if engine.left else max(engine.clock, now)
            engine.left |= {question.key: written[question.key] for question in questions}
        working = {name: engine for name, engine in engines.items() if engine.left}
        if not working:
            return share(list(engines.values()))
        name = min(working, key=lambda one: working[one].next)
        for key in engines[name].advance():
            dispatcher.finished(name, key)
        now = engines[name].clock


def dealt_in_turn(written: Lengths) -> tuple[float, float]:
    """(busy share, time) where group n goes to engine n mod ENGINES, which takes its own as it has room."""
    engines = [Engine() for _ in range(ENGINES)]
    for number, engine in enumerate(engines):
        waiting = [key for key in sorted(written) if key[0] % ENGINES == number]
        while waiting or engine.left:
            while waiting and len(engine.left) < SLOTS:
                key = waiting.pop(0)
                engine.left[key] = written[key]
            engine.advance()
    return share(engines)


def share(engines: list[Engine]) -> tuple[float, float]:
    """Busy share until the last one is done, and that time."""
    end = max(engine.clock for engine in engines)
    return sum(engine.busy for engine in engines) / (end * len(engines)), end


def main() -> None:
    ours, theirs = ([how(lengths(seed)) for seed in range(STEPS)] for how in (handed_out, dealt_in_turn))
    busy, turn = (sum(one for one, _ in found) / STEPS for found in (ours, theirs))
    faster = sum(end for _, end in theirs) / sum(end for _, end in ours)
    carried, _ = handed_out(lengths(0, STEPS * GROUPS))
    print(f"simulated, every step to its end: idle {1 - busy:.1%} handed out, {1 - turn:.1%} dealt in turn", end=", ")
    print(f"steps end {faster:.2f}x as soon; carried over steps: idle {1 - carried:.1%}")
    say("dispatch_busy", carried / turn, None, "busy share of engines over round-robin's (simulated times)", 1.0)


if __name__ == "__main__":
    main()
