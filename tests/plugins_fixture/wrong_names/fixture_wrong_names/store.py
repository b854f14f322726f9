class NoStore:
    pass
