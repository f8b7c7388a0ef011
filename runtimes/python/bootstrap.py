"""What the interpreter is started with. The client is imported rather than run: only modules have compiled code beside
them. It is a file of its own, as on AWS, because wrapper scripts put the interpreter's options before the last argument."""

import sys

# Also with PYTHONSAFEPATH or a PYTHONPATH of the function's own.
sys.path.insert(0, "/var/runtime")

import function_client

# Processes that `multiprocessing` spawns run this file, too, under another name.
if __name__ == "__main__":
    function_client.main()
