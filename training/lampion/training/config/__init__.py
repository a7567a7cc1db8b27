"""Configuration files: YAML checked against typed models."""
