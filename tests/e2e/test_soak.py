"""The soak of `make soak`, for seconds."""

import pytest
import soak

SECONDS, COLD_STARTS = 6, 40


def test_every_count_ends_where_it_began(workplace):
    directory = workplace / "soak"
    directory.mkdir()
    mixed, cold = soak.soak(directory, SECONDS, COLD_STARTS, seed=1)
    assert mixed["functions"] >= soak.WORKERS and mixed["warm"] > 0 and cold["cold starts"] > 0


def test_for_an_ordinary_user_every_count_ends_where_it_began_too(workplace):
    ordinary = soak.as_ordinary_user(workplace)
    if ordinary is None:
        pytest.skip("needs root, setpriv and unprivileged user namespaces to become somebody else")
    prefix, binary, directory, env = ordinary
    mixed, cold = soak.soak(directory, SECONDS, COLD_STARTS, prefix, binary, env, seed=1)
    assert mixed["functions"] >= soak.WORKERS and cold["cold starts"] > 0
