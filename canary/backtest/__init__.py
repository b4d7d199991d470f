"""The gates over a past that was recorded: what would have been decided, and when. Used by `canary backtest`.

    a file of lines, or Prometheus  ->  rows (`recording`)  ->  ticks  ->  the shipped gates (`replay`)  ->  outcomes

Pure but for what reads Prometheus through a port; files and words are the command's.
"""
