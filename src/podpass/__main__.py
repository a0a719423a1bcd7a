"""`python -m podpass` is the same as `podpass`."""

from podpass.cli.main import main

if __name__ == "__main__":
    main()
