"""`lampion diagnose`: what a drift comes from, how forces go wrong before a failure."""
