"""`python -m overnight.cli`."""

from overnight.cli import main

if __name__ == "__main__":
    main()
