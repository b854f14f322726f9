"""Random names for runs and models that were given none: `adjective-animal-number`."""

from __future__ import annotations

import uuid

_ADJECTIVES = """
able amber apt bold brave bright brisk calm capable casual clean clever crisp curious daring eager
fair fine fleet fresh gentle glad grand honest keen kind lively loyal lucid merry mild nimble noble
patient placid polite proud quick quiet rapid rare regal robust rustic serene sharp silent sleek
smart steady sunny swift tidy upbeat valiant vivid warm wise witty zesty
""".split()  # noqa: SIM905 - a list of one word a line would hide the function below
_ANIMALS = """
ant ape auk bass bat bear bee bird boar bug calf carp cat chimp cod colt conch cow crab crane crow
cub deer dog dove duck eel elk fawn finch fish fly foal fowl fox frog goat goose grouse gull hare
hawk hen hog horse jay kit koi lamb lark loon lynx mare mink mole moose moth mouse mule newt owl ox
panda perch pig pug quail ram rat ray robin roo rook seal shad shark sheep shoat shrew shrike skink
skunk sloth slug smelt snail snake snipe sow sponge squid stag stork swan tern toad trout vole wasp
whale wolf worm wren yak zebra
""".split()  # noqa: SIM905


def random_name() -> str:
    """Return a name that people can say."""
    number, animal = divmod(uuid.uuid4().int, len(_ANIMALS))
    number, adjective = divmod(number, len(_ADJECTIVES))
    return f"{_ADJECTIVES[adjective]}-{_ANIMALS[animal]}-{number % 1000}"
