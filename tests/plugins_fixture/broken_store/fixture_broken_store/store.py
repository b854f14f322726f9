from tracking_core.stores import SomethingThatNeverWas  # noqa: F401
