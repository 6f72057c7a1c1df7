"""What TCP does for a program that reads: segments in any order become one stream of bytes, each once."""

SPACE = 2**32  # sequence numbers begin again at 0 after this


class Stream:
    """`first` is the first byte's sequence number, `data` all that is there before the first gap."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.data = bytearray()
        self.early: dict[int, bytes] = {}  # position in the stream → bytes that came before their turn
        self.end: int | None = None  # where FIN stands, once it came

    def add(self, seq: int, data: bytes, *, fin: bool = False) -> None:
        """Take a segment, be it early, late or for the second time."""
        # How far it is from the byte that is due: modulo 2³², as all of TCP's arithmetic, and signed.
        distance = (seq - self.first - len(self.data) + SPACE // 2) % SPACE - SPACE // 2
        position = len(self.data) + distance
        self.early[position] = max(data, self.early.get(position, b""), key=len)
        if fin:
            self.end = position + len(data)
        while self.early and (start := min(self.early)) <= len(self.data):
            self.data += self.early.pop(start)[len(self.data) - start :]

    @property
    def finished(self) -> bool:
        """Whether the other side's FIN has come, and all bytes before it."""
        return self.end == len(self.data)

    @property
    def due(self) -> int:
        """The sequence number that is waited for: the acknowledgment. FIN takes one, as a byte does."""
        return (self.first + len(self.data) + self.finished) % SPACE
