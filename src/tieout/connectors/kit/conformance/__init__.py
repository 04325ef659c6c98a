"""The suite every connector passes against a simulator of its vendor.

Three lines in a test module run it:

    from tieout.connectors.kit.conformance import *  # noqa: F403
    @pytest.fixture
    def rig(): ...   # a Rig: the connector and the controls of its simulator
"""

from tieout.connectors.kit.conformance.reading import ReadingConformance
from tieout.connectors.kit.conformance.rig import Behaviour, Rig, every_change
from tieout.connectors.kit.conformance.trouble import TroubleConformance, TroubleRig
from tieout.connectors.kit.conformance.writing import WritingConformance

__all__ = [
    "Behaviour",
    "ReadingConformance",
    "Rig",
    "TroubleConformance",
    "TroubleRig",
    "WritingConformance",
    "every_change",
]
