"""What a server allows: sizes, numbers and seconds, all of them in one value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """The defaults suit one person or a small team; `lapis serve` sets those that differ between machines."""

    body: int = 32 * 2**20
    """Bytes of a request's body."""
    bodies: int = 256 * 2**20
    """Bytes of all bodies that are held at a time."""
    depth: int = 32
    """Lists and objects inside each other in JSON."""
    connections: int = 128
    """Open at a time."""
    head_seconds: float = 10.0
    """For a request's first line and headers, and for a connection that asks nothing."""
    body_seconds: float = 60.0
    """For a request's body."""
    seconds: float = 600.0
    """For a whole request, waiting included."""
    grace: float = 30.0
    """Seconds in which running requests may finish after a stop was asked for."""
    messages: int = 512
    """Of a conversation."""
    images: int = 16
    """Of a conversation."""
    choices: int = 16
    """Of a request (`n`)."""
    answer: int = 1024
    """Most tokens of a reply whose request does not say."""
    kept_images: int = 64
    """Uploaded ahead; the one that was not used for longest goes first."""
    kept_bytes: int = 128 * 2**20
    """Of all of those."""
    decoding: int = 2
    """Pictures that are decoded or fetched at a time."""
    fetch_seconds: float = 10.0
    """For a remote picture, redirects included."""
    fetch_bytes: int = 20 * 2**20
    """Of a remote picture."""
    redirects: int = 3
    """Of a remote picture."""
    fetch_hosts: frozenset[str] = field(default_factory=frozenset)
    """Hosts that remote pictures may come from; none are fetched where it is empty."""
    names: frozenset[str] = field(default_factory=frozenset)
    """Names besides localhost and addresses that requests may call this server by."""
