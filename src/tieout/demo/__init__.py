"""`tieout demo`: a simulated firm's quarter, played through the same doors and flows as live data, and what came of it.

`play` moves two clocks, the firm's and ours, lets the workers catch up, and does at each stop what the firm's people
would do; `compare` asks our tables what became of the mess that only the sandbox knows of; `summary` is the answer.
"""

from tieout.demo.order import LARGEST, SCALES, Order
from tieout.demo.run import Demo

__all__ = ["LARGEST", "SCALES", "Demo", "Order"]
