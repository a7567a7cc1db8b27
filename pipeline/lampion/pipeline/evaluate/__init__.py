"""`lampion evaluate`: model files against labelled frames."""
