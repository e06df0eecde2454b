"""The core on recorded inputs: tapes and their replay, backtests with a virtual clock and simulated fills."""
