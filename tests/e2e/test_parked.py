"""Interpreters that had started before their function was known: nobody can tell, except by the clock."""

import os
import subprocess
import time
import urllib.request

import pytest
from conftest import BINARY, RUNTIMES, package, wait_for

#: What an environment looks like from inside. What belongs to one environment alone is left out.
DUMP = """
import locale, logging, os, resource, signal, sys, threading, time

OWN = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_LOG_STREAM_NAME",
       "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_FUNCTION_NAME", "_X_AMZN_TRACE_ID", "PYTHON_EXECUTED"}

def stream(file):
    return [file.encoding, file.errors, file.line_buffering, file.write_through, file.fileno()]

def descriptors():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append([int(fd), os.readlink("/proc/self/fd/" + fd).split("[")[0]])
        except OSError:
            pass
    return sorted(found)

def handler(event, context):
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return {
        "env": {name: value for name, value in os.environ.items() if name not in OWN},
        "c env": sorted(name for name in OWN - {"PYTHON_EXECUTED"} if os.environ.get(name)),
        "path": sys.path, "cwd": os.getcwd(), "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", None),
        "flags": repr(sys.flags), "executable": [sys.executable, sys.prefix, sys.version],
        "streams": [stream(sys.stdin), stream(sys.stdout), stream(sys.stderr)],
        "fds": descriptors(),
        "limits": [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")],
        "signals": [repr(signal.getsignal(number)) for number in range(1, 32)],
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "locale": [locale.setlocale(locale.LC_ALL), time.tzname, sys.getfilesystemencoding()],
        "confined": [status[name].strip() for name in ("Seccomp", "NoNewPrivs", "CapEff", "CapBnd", "Uid", "Gid")],
        "niceness": [os.getpriority(os.PRIO_PROCESS, 0), open("/proc/self/oom_score_adj").read()],
        "finders": [type(finder).__name__ for finder in sys.meta_path],
        "logging": [repr(logging.getLogger().level), [type(h).__name__ for h in logging.getLogger().handlers]],
        "threads": [thread.name for thread in threading.enumerate()],
        "tmp": [os.listdir("/tmp"), os.statvfs("/tmp").f_blocks], "shm": [os.listdir("/dev/shm"), os.statvfs("/dev/shm").f_blocks],
        "opt": os.listdir("/opt"), "task": sorted(os.listdir("/var/task")), "umask": [os.umask(0o22), os.umask(0o22)],
        "mounts": sorted({line.split()[1] + " " + line.split()[3] for line in open("/proc/self/mounts")
                          if not line.split()[1].startswith(("/var/task",))}),
        "session": [os.getpid() == os.getsid(0), os.getpgrp() == os.getpid(), os.getppid()],
        "cached": sorted(path for path in sys.path_importer_cache if "rehears" in path or path == "/"),
        "left": sorted(name for name in sys.modules if name in ("parking", "bootstrap", "rehearsed")),
        "modules' names": __name__,
    }
"""

#: The same for Node.js.
NODE_DUMP = """
const fs = require('fs');
const Module = require('module');
const OWN = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_LAMBDA_LOG_STREAM_NAME', 'AWS_LAMBDA_LOG_GROUP_NAME',
  'AWS_LAMBDA_FUNCTION_NAME', '_X_AMZN_TRACE_ID', 'NODE_EXECUTED'];
const of = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));
exports.handler = async () => {
  const status = Object.fromEntries(fs.readFileSync('/proc/self/status', 'utf8').split('\\n').map((line) => line.split(/:\\s*/)));
  const inode = /\\[.*/;
  return {
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN.includes(name)).sort()),
    own: OWN.filter((name) => name !== 'NODE_EXECUTED' && process.env[name]),
    process: of(process, ['argv', 'argv0', 'execArgv', 'execPath', 'title', 'version', 'ppid', 'exitCode']),
    cwd: process.cwd(), umask: process.umask(),
    streams: [process.stdin.isTTY, process.stdout.isTTY, process.stdout.constructor.name, process.stdout.writableHighWaterMark],
    low: fs.readdirSync('/proc/self/fd').map(Number).filter((fd) => fd < 4).map((fd) => fs.readlinkSync('/proc/self/fd/' + fd).replace(inode, '')),
    sockets: fs.readdirSync('/proc/self/fd').filter((fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd).startsWith('socket'); } catch (_) { return false; } }).length,
    limits: fs.readFileSync('/proc/self/limits', 'utf8'),
    confined: of(status, ['Seccomp', 'NoNewPrivs', 'CapEff', 'CapBnd', 'Uid', 'Gid', 'SigBlk', 'SigIgn', 'SigCgt']),
    locale: [Intl.DateTimeFormat().resolvedOptions().locale, new Date(0).getHours(), new Date(0).toString()],
    listeners: Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)])),
    modules: [Object.keys(require.cache), Module.globalPaths, module.paths, require.main.filename, require.main.children.map((child) => child.id), module.parent && module.parent.id],
    globals: Object.getOwnPropertyNames(globalThis).sort(),
    files: ['/tmp', '/dev/shm', '/opt', '/var/task'].map((path) => fs.readdirSync(path)),
    mounts: fs.readFileSync('/proc/self/mounts', 'utf8').split('\\n').map((line) => line.split(' ')).filter((words) => words.length > 3 && words[1] !== '/var/task').map((words) => words[1] + ' ' + words[3]).sort(),
  };
};
"""

NUMBER = iter(range(1, 10_000))


def starts(server):
    """How many processes were started: parked or forked ones, executed ones."""
    page = urllib.request.urlopen(server.url + "/_lambent/metrics").read().decode()
    values = dict(line.split() for line in page.splitlines() if not line.startswith("#"))
    def count(tier):
        return int(values['lambent_starts_total{tier="%s"}' % tier])
    return count("parked") + count("forked"), count("executed")


def invoke(server, name, event=None):
    """The answer, and whether a parked process gave it."""
    before = starts(server)
    answer = server.invoke(name, event)
    assert "FunctionError" not in answer, answer["Json"]
    after = starts(server)
    made = (after[0] - before[0], after[1] - before[1])
    assert made in ((1, 0), (0, 1)), made
    return answer["Json"], made == (1, 0)


def parked(server, source, event=None, **options):
    """A new function's first answer, from a process that had been waiting: they are made when there is time for it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        name = "parked-%d" % next(NUMBER)
        server.create(name, source, **options)
        answer, waited = invoke(server, name, event)
        if waited:
            return answer
        time.sleep(0.2)
    raise AssertionError("no process was ever parked for this function:\n" + server.said()[-2000:])


def executed(server, source, event=None, **options):
    """The same from a process that was executed, although others wait."""
    runtime = options.get("runtime", "python3.12")
    nothing = {"app.js": "exports.handler = async () => null"} if runtime.startswith("node") else "def handler(event, context): pass"
    parked(server, nothing, runtime=runtime)
    name = "executed-%d" % next(NUMBER)
    server.create(name, source, **options)
    answer, waited = invoke(server, name, event)
    assert not waited, "this function must not get a parked process"
    return answer


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_nothing_tells_a_parked_interpreter_from_an_executed_one(server, version):
    options = {"runtime": "python" + version, "MemorySize": 256, "Environment": {"Variables": {"MINE": "1", "ZED": "ä", "EMPTY": ""}}}
    waited = parked(server, DUMP, **options)
    options["Environment"]["Variables"]["PYTHON_EXECUTED"] = "1"
    assert waited == executed(server, DUMP, **options)
    assert waited["env"]["MINE"] == "1" and waited["cwd"] == "/var/task" and waited["left"] == []


@pytest.mark.parametrize("version", [14, 16, 18, 20, 22, 24])
def test_nothing_tells_a_parked_node_from_an_executed_one(server, version):
    options = {"runtime": "nodejs%d.x" % version, "MemorySize": 256, "Environment": {"Variables": {"MINE": "1", "ZED": "ä", "TZ": "Asia/Tokyo"}}}
    waited = parked(server, {"app.js": NODE_DUMP}, **options)
    options["Environment"]["Variables"]["NODE_EXECUTED"] = "1"
    assert waited == executed(server, {"app.js": NODE_DUMP}, **options)
    assert waited["env"]["MINE"] == "1" and waited["cwd"] == "/var/task" and waited["locale"][1] == 9


def test_two_parked_nodes_have_nothing_random_in_common(server):
    source = """
const crypto = require('crypto');
exports.handler = async () => [Math.random(), crypto.randomBytes(8).toString('hex'), crypto.randomUUID()];
"""
    one, two = (parked(server, {"app.js": source}, runtime="nodejs20.x") for _ in range(2))
    assert not set(map(str, one)) & set(map(str, two))


def test_es_modules_and_layers_come_with_a_parked_node(server):
    content = {"ZipFile": package({"nodejs/node_modules/mine/index.js": "exports.word = 'layer';"})}
    layer = server.lambda_.publish_layer_version(LayerName="parked-node-layer", Content=content)["LayerVersionArn"]
    source = """
import { createRequire } from 'module';
import { S3Client } from '@aws-sdk/client-s3';
import { word } from './other.mjs';
const require = createRequire(import.meta.url);
export const handler = async () => [word, require('mine').word, typeof S3Client];
"""
    files = {"app.mjs": source, "other.mjs": "export const word = 'module';"}
    assert parked(server, files, runtime="nodejs20.x", Layers=[layer]) == ["module", "layer", "function"]


def test_options_of_node_act_when_it_starts(server):
    source = "exports.handler = async () => Error.stackTraceLimit"
    options = {"runtime": "nodejs20.x", "Environment": {"Variables": {"NODE_OPTIONS": "--stack-trace-limit=3"}}}
    assert executed(server, {"app.js": source}, **options) == 3


def test_two_parked_interpreters_have_nothing_random_in_common(server):
    source = """
import multiprocessing, os, random, secrets, ssl, tempfile, uuid
def handler(event, context):
    return [random.random(), random.Random().random(), secrets.token_hex(), str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(8).hex(),
            ssl.RAND_bytes(8).hex(), bytes(multiprocessing.current_process().authkey).hex(), next(tempfile._get_candidate_names())]
"""
    one, two = parked(server, source), parked(server, source)
    assert not set(map(str, one)) & set(map(str, two))


def test_a_seed_of_its_own_for_hashes_is_to_be_had(server):
    # Those that wait share their zygote's; who wants another says so.
    source = "def handler(event, context):\n    return hash('text')\n"
    own = [executed(server, source, Environment={"Variables": {"PYTHONHASHSEED": "random"}}) for _ in range(2)]
    assert len({parked(server, source), *own}) == 3


def test_a_parked_interpreter_brings_nothing_of_another_function(server):
    source = """
import os
def handler(event, context):
    found = {"tmp": os.listdir("/tmp"), "shm": os.listdir("/dev/shm"), "task": sorted(os.listdir("/var/task")), "opt": os.listdir("/opt")}
    texts = [open("/proc/self/environ").read(), repr(os.environ), open("/proc/self/mountinfo").read()]
    found["seen"] = any("hidden-word" in text for text in texts)
    for place in ("/tmp", "/dev/shm"):
        with open(place + "/left", "w") as file:
            file.write("hidden-word")
    return found
"""
    files = {"app.py": source, "hidden-word.txt": "hidden-word"}
    first = parked(server, files, Environment={"Variables": {"SECRET": "a hidden-word"}})
    assert first["seen"] and first["task"] == ["app.py", "hidden-word.txt"]
    for _ in range(3):
        assert parked(server, source) == {"tmp": [], "shm": [], "task": ["app.py"], "opt": [], "seen": False}


@pytest.mark.parametrize(
    "variables, expression, result",
    [
        ({"PYTHONPATH": "/var/task/vendored"}, "__import__('brought').WORD", "vendored"),
        ({"PYTHONHASHSEED": "0"}, "__import__('sys').flags.hash_randomization", 0),
        ({"PYTHONOPTIMIZE": "1"}, "__import__('sys').flags.optimize", 1),
        ({"PYTHONUTF8": "1"}, "__import__('sys').flags.utf8_mode", 1),
        ({"LC_ALL": "C"}, "__import__('os').environ['LC_ALL']", "C"),
        ({"LD_LIBRARY_PATH": "/var/lang/lib:/var/task/elsewhere"}, "__import__('os').environ['LD_LIBRARY_PATH']", "/var/lang/lib:/var/task/elsewhere"),
    ],
)
def test_what_acts_when_an_interpreter_starts_is_there_when_it_starts(server, variables, expression, result):
    files = {"app.py": "def handler(event, context):\n    return %s\n" % expression, "vendored/brought.py": "WORD = 'vendored'\n"}
    assert executed(server, files, Environment={"Variables": variables}) == result


def test_libraries_in_a_directory_of_the_package_are_found_by_the_loader(server):
    files = {"app.py": "import os\ndef handler(event, context):\n    return os.listdir('/var/task/lib')\n", "lib/libmine.so": "none"}
    assert executed(server, files) == ["libmine.so"]


def test_a_time_zone_and_a_log_level_of_its_own(server):
    source = """
import logging, time
def handler(event, context):
    record = logging.makeLogRecord({})
    logging.getLogger().info("said")
    return [time.strftime("%Z", time.localtime(0)), logging.getLogger().level, record.relativeCreated < 5000]
"""
    config = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}
    answer = parked(server, source, Environment={"Variables": {"TZ": "Asia/Tokyo"}}, LoggingConfig=config)
    assert answer == ["JST", 20, True]


def test_a_functions_own_modules_win_where_they_do_without_parking(server):
    names = "calendar copy typing ast dis pickle tempfile glob fnmatch shutil parking bootstrap rehearsed opcode json logging".split()
    files = {name + ".py": "MINE = True\n" for name in names}
    files["app.py"] = (
        "NAMES = %r\ndef handler(event, context):\n"
        "    return {name: getattr(__import__(name), 'MINE', False) for name in NAMES}\n" % (names,)
    )
    waited = parked(server, files)
    assert waited == executed(server, files, Environment={"Variables": {"PYTHON_EXECUTED": "1"}})
    assert waited["calendar"] and waited["parking"] and not waited["json"]


def test_layers_come_with_a_parked_interpreter(server):
    content = {"ZipFile": package({"python/from_layer.py": "WORD = 'layer'\n", "data.txt": "here"})}
    layer = server.lambda_.publish_layer_version(LayerName="parked-layer", Content=content)["LayerVersionArn"]
    source = "import from_layer, os\ndef handler(event, context):\n    return [from_layer.WORD, sorted(os.listdir('/opt')), os.access('/opt', os.W_OK)]\n"
    assert parked(server, source, Layers=[layer]) == ["layer", ["data.txt", "python"], False]


def test_after_a_crash_the_sandbox_stays_and_a_new_interpreter_is_executed(server):
    source = """
import os
def handler(event, context):
    if event.get("crash"):
        open("/tmp/kept", "w").close()
        os._exit(3)
    return os.listdir("/tmp")
"""
    end = time.monotonic() + 60
    while True:
        assert time.monotonic() < end
        name = "parked-%d" % next(NUMBER)
        server.create(name, source)
        before = starts(server)
        assert server.invoke(name, {"crash": True})["FunctionError"] == "Unhandled"
        if starts(server)[0] > before[0]:
            break
        time.sleep(0.2)
    assert invoke(server, name) == (["kept"], False)


def test_none_are_parked_where_none_are_wanted(own_server):
    own_server.options = ("--parked-max", "0")
    own_server.start()
    for number in range(3):
        own_server.create("f%d" % number, "def handler(event, context):\n    return 1\n")
        assert invoke(own_server, "f%d" % number) == (1, False)
    own_server.stop()


def test_interpreters_wait_again_after_a_restart(own_server):
    own_server.start()
    own_server.create("kept", "def handler(event, context):\n    return 1\n")
    own_server.stop()
    own_server.start()
    # Nothing has been asked of this server, yet it knows what will be.
    def waiting():
        # As a child of a zygote says, or an executed one.
        words = "_LAMBENT_ZYGOTE_FD=9", "_LAMBENT_PARKED_FD=9"
        import os
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid) as file:
                    text = file.read()
                    if any(word in text for word in words):
                        return True
            except OSError:
                pass
        return False
    if __import__("os").geteuid() == 0:
        wait_for(waiting, "an interpreter waits")
    own_server.stop()


def reasons(server):
    page = urllib.request.urlopen(server.url + "/_lambent/metrics").read().decode()
    pairs = (line.split() for line in page.splitlines() if line.startswith("lambent_unparked_starts_total"))
    return {name.split('"')[1]: int(value) for name, value in pairs}


@pytest.mark.parametrize(
    "reason, options",
    [
        ("variable", {"Environment": {"Variables": {"PYTHONDONTWRITEBYTECODE": "1"}}}),
        ("path", {"files": {"app.py": "def handler(event, context): pass", "lib/x": ""}}),
        ("limits", {"EphemeralStorage": {"Size": 600}}),
        ("runtime", {"runtime": "provided.al2023", "files": {"bootstrap": "#!/bin/sh\nexit 1"}, "modes": {"bootstrap": 0o755}}),
    ],
)
def test_why_a_process_had_not_been_waiting_is_in_the_metrics(server, reason, options):
    before = reasons(server)
    name = "unparked-%d" % next(NUMBER)
    options = dict(options)
    files = options.pop("files", "def handler(event, context): pass")
    server.create(name, files, **options)
    server.invoke(name)
    after = reasons(server)
    others = {name for name in after if name != reason and after[name] != before[name]}
    assert after[reason] > before[reason] and not others


def test_doctor_says_which_runtimes_functions_are_parked(server):
    said = subprocess.run([BINARY, "doctor"], capture_output=True, text=True, env={**os.environ, "LAMBENT_RUNTIMES_DIR": str(RUNTIMES)}).stdout
    of = {line.split()[1]: following for line, following in zip(said.splitlines(), said.splitlines()[1:]) if line.startswith("  ok ")}
    assert "parked: all with 512 MB of /tmp that set none of PYTHON*, LD_*" in of["python3.12:"]
    assert "not parked: what a package brings is executed" in of["provided.al2023:"]
