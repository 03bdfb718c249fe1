"""stub"""


def draw(runs, folder):
    pass
