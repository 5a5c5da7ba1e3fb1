"""`python -m pipeline`: the same as the command `promptsheet`."""

from pipeline.cli.start import main

if __name__ == "__main__":
    main()
