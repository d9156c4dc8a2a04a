"""zstd without a library: frames of raw blocks (RFC 8878), which any decoder reads.

  zstd_frames.py <INPUT >OUTPUT [BYTES]    frames of BYTES (1000) of the input
"""
import sys

MAGIC = b"\x28\xb5\x2f\xfd"
WINDOW = 7 << 3  # 2^(10 + 7) bytes: the most that a block has


def frame(content):
    """One frame, without the size of its content and a checksum."""
    cuts = range(0, max(len(content), 1), 1 << 17)
    out = MAGIC + bytes([0, WINDOW])
    for at in cuts:
        block = content[at:at + (1 << 17)]
        out += (len(block) << 3 | (at == cuts[-1])).to_bytes(3, "little") + block
    return out


def skippable(content):
    return (0x184D2A50).to_bytes(4, "little") + len(content).to_bytes(4, "little") + content


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    text = sys.stdin.buffer.read()
    for start in range(0, max(len(text), 1), size):
        sys.stdout.buffer.write(frame(text[start:start + size]))
