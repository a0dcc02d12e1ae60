"""``python -m skey`` is the command ``skey``."""

from skey.cli import main

main(prog_name="skey")
