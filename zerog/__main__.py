"""`python -m zerog` is the command `zerog`."""

from zerog.cli import main

if __name__ == "__main__":
    main()
