"""The real `lmp`: started, watched, stopped; its log read; runs set up again; single points."""
