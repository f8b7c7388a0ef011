"""Makes children as a zygote does, with the zygote's own code, and prints what each of them draws at random: a line of words.

    python zygote_children.py <directory of the runtime client> <how many>

Each child has the number that this process has, as may happen across namespaces: what notices a fork by that number alone
would notice nothing.
"""

import multiprocessing
import os
import random
import secrets
import ssl
import sys
import tempfile
import uuid

sys.path.insert(0, sys.argv[1])
import zygote

CLONE_NEWPID = 0x20000000
OWN_NUMBER = 3
ALLOW_ALL = [[6, 0, 0, 0x7FFF0000]]


def drawn():
    return [
        random.random(), random.getrandbits(64), random.Random().random(), secrets.token_hex(16), uuid.uuid4(), uuid.uuid1(),
        ssl.RAND_bytes(16).hex(), os.urandom(16).hex(), bytes(multiprocessing.current_process().authkey).hex(),
        next(tempfile._get_candidate_names()),
    ]


def numbered(libc, number):
    """A child in a new pid namespace that has this number there: the first process of the namespace and others come before."""
    libc.must("unshare", "unshare", CLONE_NEWPID)
    if os.fork():
        os.wait()
        os._exit(0)
    for _ in range(number - 2):
        if not os.fork():
            os._exit(0)
        os.wait()
    if os.fork():
        os.wait()
        os._exit(0)
    assert os.getpid() == number


def first_process(libc):
    """The first of one more namespace. For each byte it buries its children and has their numbers given again."""
    libc.must("unshare", "unshare", CLONE_NEWPID)
    (asked, ask), (answered, answer) = os.pipe(), os.pipe()
    if not os.fork():
        os.close(ask)
        while os.read(asked, 1):
            try:
                while True:
                    os.wait()
            except ChildProcessError:
                pass
            with open("/proc/sys/kernel/ns_last_pid", "w") as last:
                last.write(str(OWN_NUMBER - 2))
            os.write(answer, b"x")
        os._exit(0)
    os.close(asked)

    def again():
        os.write(ask, b"x")
        os.read(answered, 1)

    return again


def main():
    libc = zygote.Libc({"landlock_restrict_self": 0, "filters": [ALLOW_ALL, ALLOW_ALL]})
    sys.stdout.flush()
    numbered(libc, OWN_NUMBER)
    again = first_process(libc)
    # All of it has been used before.
    drawn()
    for _ in range(int(sys.argv[2])):
        again()
        if libc.fork():
            zygote.freshen()
            assert os.getpid() == OWN_NUMBER
            os.write(1, (" ".join(map(str, drawn())) + "\n").encode())
            os._exit(0)


if __name__ == "__main__":
    main()
