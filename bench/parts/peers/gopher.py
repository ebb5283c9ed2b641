"""Gopher's rules on words and lines (arXiv 2112.11446) in plain Python, for peers that take a function of ours."""

import re
import unicodedata

STOPS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


def good(text: str) -> bool:
    """Whether a document stays."""
    words = text.split()
    lines = [line for line in text.split("\n") if line]
    if not 50 <= len(words) <= 100_000 or not 3 <= sum(map(len, words)) / len(words) <= 10:
        return False
    if max(text.count("#"), text.count("...") + text.count("…")) > 0.1 * len(words):
        return False
    if sum(any(letter.isalpha() for letter in word) for word in words) < 0.8 * len(words):
        return False
    if len(STOPS.intersection(re.findall(r"\w+", text.lower()))) < 2:
        return False
    if sum(line.lstrip().startswith(("-", "*", "•", "●", "◦")) for line in lines) > 0.9 * len(lines):
        return False
    return sum(line.rstrip().endswith(("...", "…")) for line in lines) <= 0.3 * len(lines)


def judged(sample: dict) -> dict:
    """A record with its text in NFC, and whether it stays: what data-juicer's python_file_mapper calls."""
    text = unicodedata.normalize("NFC", sample["text"])
    return {**sample, "text": text, "good": "yes" if good(text) else "no"}
