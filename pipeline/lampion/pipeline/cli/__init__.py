"""The `lampion` command: a module for each verb or family of verbs."""
