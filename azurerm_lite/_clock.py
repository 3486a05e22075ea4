"""The clock of the library. All waiting uses these two functions, which tests replace."""

import time

monotonic = time.monotonic
sleep = time.sleep
