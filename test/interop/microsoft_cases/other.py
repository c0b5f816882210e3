def write(case):
    pass
