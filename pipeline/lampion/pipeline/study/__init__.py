"""`lampion study` of one system: stages from reference data to the verdict."""
