"""A script of a lab that sleeps as long as its argument says, carrying it so that it can be found."""

import sys
import time

time.sleep(float(sys.argv[1]))
