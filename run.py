"""`python run.py …`: the command `promptsheet` from a checkout."""

from pipeline.cli.start import main

if __name__ == "__main__":
    main()
