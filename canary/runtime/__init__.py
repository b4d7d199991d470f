"""The loop: see, ask, decide, save, perform, tell. It owns time, tasks and retries.

It knows `core` and its own ports, never the adapters behind them; `cli.process` joins the two.
"""
