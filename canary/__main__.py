"""`python -m canary`: the same as the `canary` command, for whoever starts it as a module, as the demo does."""

from canary.cli import main

if __name__ == "__main__":
    main()
