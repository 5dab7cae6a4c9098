"""A program that asks the model of a network again and again and reads its answers as they come, until its stdin ends.

Usage: `python -m benchmarks.network.streaming FOLDER`. It writes a line once the first words have come, and in the end how many pieces
it read.
"""

import sys
import threading
from pathlib import Path

from zerog import connect
from zerog.compute.client import ChatOptions

PROMPT = "Tell me a long story about the sea."


def main() -> None:
    ended = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    pieces = 0
    with connect("local", folder=Path(sys.argv[1])) as network:
        while not ended.is_set():
            with network.compute.chat(PROMPT, options=ChatOptions(max_tokens=512, temperature=1.0)) as words:
                for _ in words:
                    pieces += 1
                    if pieces == 1:
                        print("streams", flush=True)
                    if ended.is_set():
                        break
    print(pieces, flush=True)


if __name__ == "__main__":
    main()
