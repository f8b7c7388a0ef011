"""The crashes of `make crash`, once at each edge."""

import random

import crash

#: Also chance: the seed is printed.
RANDOM_DEATHS = 3


def test_every_edge_of_the_code_is_one_where_the_server_is_killed():
    by_name = {edge for edge in crash.EDGES if edge.partition(".")[0] not in crash.STORES}
    assert crash.edges_in_the_code() == by_name


def test_what_was_acknowledged_comes_wherever_the_server_was_killed(workplace):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    directory = workplace / "crash"
    directory.mkdir()
    ledger, again = crash.crash(directory, crash.EDGES, RANDOM_DEATHS, random.Random(seed))
    print("%d acknowledged, %d came again" % (len(ledger.acknowledged), again))
    assert {kind for _, kind in ledger.acknowledged.values()} == set(crash.ASKED)
