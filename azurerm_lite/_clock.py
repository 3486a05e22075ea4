"""The clock of the library. Everything that waits goes through it, so tests replace these two."""

import time

monotonic = time.monotonic
sleep = time.sleep
