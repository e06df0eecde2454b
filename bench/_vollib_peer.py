"""vollib's side of the bench `greeks`, in an environment of its own: reads a book from stdin, prints times and deltas.

Imports nothing of the repository.
"""

import json
import sys
import time

from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks.analytical import delta, gamma, rho, theta, vega


def main() -> None:
    book = json.load(sys.stdin)
    legs = [
        (right.lower(), strike, years, book["rate"], vol, book["q"])
        for right, strike, years, vol in zip(book["right"], book["strike"], book["years"], book["vol"], strict=True)
    ]
    seconds, deltas = [], []
    for round_number in range(book["rounds"] + 1):
        spot = book["spot"] + 0.01 * (round_number % 7)
        began_s = time.perf_counter()
        rows = [
            [figure(leg[0], spot, *leg[1:]) for figure in (black_scholes_merton, delta, gamma, vega, theta, rho)]
            for leg in legs
        ]
        seconds.append(time.perf_counter() - began_s)
        if spot == book["spot"]:
            deltas = [row[1] for row in rows]
    # The first round warms up.
    print(json.dumps({"seconds": seconds[1:], "delta": deltas}))


if __name__ == "__main__":
    main()
