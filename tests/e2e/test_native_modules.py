"""Native modules and what else a function may want of its sandbox: the system calls that it takes are allowed."""

import importlib.metadata
import io
import sys
import zipfile

import pytest
from conftest import ROLE

#: The interpreter whose wheels the tests have.
RUNTIME = "python3.%d" % sys.version_info.minor


def with_wheels(source, *names):
    """A package with the files that wheels have installed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            for file in importlib.metadata.files(name):
                if ".." not in file.parts and "tests" not in file.parts and file.suffix != ".pyc":
                    info = zipfile.ZipInfo(str(file))
                    info.external_attr = 0o100755 << 16
                    archive.writestr(info, file.locate().read_bytes())
        info = zipfile.ZipInfo("app.py")
        info.external_attr = 0o100644 << 16
        archive.writestr(info, source)
    return buffer.getvalue()


def create(server, name, source, *wheels, memory=1024):
    server.lambda_.create_function(
        FunctionName=name, Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Timeout=120, MemorySize=memory,
        Code={"ZipFile": with_wheels(source, *wheels)},
    )
    server.lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def test_numpy_calculates_on_several_threads(server):
    create(server, "numpy", """
import os
import numpy

def handler(event, context):
    size = 400
    a = numpy.arange(size * size, dtype=float).reshape(size, size) / size
    inverse = numpy.linalg.inv(a + numpy.eye(size) * size)
    exact = numpy.allclose(inverse @ (a + numpy.eye(size) * size), numpy.eye(size))
    mapped = numpy.memmap("/tmp/mapped", dtype="int64", mode="w+", shape=(1000,))
    mapped[:] = numpy.arange(1000)
    mapped.flush()
    return [bool(exact), int(numpy.fromfile("/tmp/mapped", dtype="int64").sum()), numpy.random.default_rng(7).integers(1000, size=3).tolist()]
""", "numpy")
    import numpy
    assert server.invoke("numpy")["Json"] == [True, 499500, numpy.random.default_rng(7).integers(1000, size=3).tolist()]


def test_pillow_makes_thumbnails(server):
    create(server, "pillow", """
import base64, io
from PIL import Image, ImageDraw, ImageFilter, ImageFont

def handler(event, context):
    image = Image.new("RGB", (640, 480), "navy")
    ImageDraw.Draw(image).text((20, 20), "hello", font=ImageFont.load_default(40), fill="white")
    sizes = {}
    for kind in ["JPEG", "PNG", "WEBP", "TIFF"]:
        buffer = io.BytesIO()
        image.filter(ImageFilter.GaussianBlur(2)).save(buffer, kind)
        small = Image.open(io.BytesIO(buffer.getvalue()))
        small.thumbnail((64, 64))
        sizes[kind] = list(small.size)
    return sizes
""", "pillow")
    assert server.invoke("pillow")["Json"] == {kind: [64, 48] for kind in ["JPEG", "PNG", "WEBP", "TIFF"]}


PROCESSES = """
import asyncio, concurrent.futures, ctypes, mmap, multiprocessing, multiprocessing.shared_memory, os, signal, socket, sqlite3, ssl, subprocess, tempfile, threading

def square(number):
    return number * number

def child(pipe, memory):
    shared = multiprocessing.shared_memory.SharedMemory(memory)
    shared.buf[0] = 42
    shared.close()
    pipe.send(os.getpid())

def processes():
    with concurrent.futures.ProcessPoolExecutor(4) as pool:
        assert list(pool.map(square, range(20))) == [number * number for number in range(20)]
    shared = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
    near, far = multiprocessing.Pipe()
    for method in ["fork", "spawn", "forkserver"]:
        shared.buf[0] = 0
        process = multiprocessing.get_context(method).Process(target=child, args=(far, shared.name))
        process.start(); process.join(60)
        assert (process.exitcode, shared.buf[0], near.recv()) == (0, 42, process.pid), method
    shared.close(); shared.unlink()
    with multiprocessing.Manager() as manager:
        shared = manager.dict(a=1)
        assert shared["a"] == 1
    lock, counter = multiprocessing.Lock(), multiprocessing.Value("i", 0)
    with lock: counter.value += 1
    return counter.value

def threads():
    results, barrier = [], threading.Barrier(8)
    def work(number):
        barrier.wait()
        results.append(number)
    all = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in all: thread.start()
    for thread in all: thread.join()
    return sorted(results)

async def loops():
    server = await asyncio.start_server(lambda reader, writer: echo(reader, writer), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"ping\\n")
    line = await reader.readline()
    process = await asyncio.create_subprocess_exec("/bin/cat", stdin=-1, stdout=-1)
    output, _ = await process.communicate(line)
    writer.close(); server.close()
    return output.decode()

async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()

def handler(event, context):
    found = {"processes": processes(), "threads": threads(), "loops": asyncio.run(loops())}
    found["subprocess"] = subprocess.run("echo $((6*7)) | tee /tmp/x; cat /tmp/x", shell=True, capture_output=True, text=True).stdout
    # What a compiler that compiles while it runs does: writes code, then runs it.
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    if os.uname().machine == "x86_64":
        code.write(b"\\xb8\\x2a\\x00\\x00\\x00\\xc3")
        found["made code"] = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    # The files of one file system, locked and renamed; a database on it, and one in shared memory.
    for place in ["/tmp", "/dev/shm"]:
        with sqlite3.connect(place + "/base") as base:
            base.execute("pragma journal_mode=wal")
            base.execute("create table if not exists t (x)")
            base.execute("insert into t values (1)")
        found[place] = sqlite3.connect(place + "/base").execute("select count(*) from t").fetchone()[0]
    with tempfile.TemporaryDirectory() as directory:
        os.mkfifo(directory + "/fifo")
        os.symlink("fifo", directory + "/link"); os.rename(directory + "/link", directory + "/renamed")
        found["files"] = sorted(os.listdir(directory))
    context_ = ssl.create_default_context()
    found["tls"] = context_.check_hostname and len(ssl.RAND_bytes(16)) == 16
    signal.signal(signal.SIGALRM, lambda *_: found.setdefault("signal", True))
    signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
    found["memory file"] = os.write(os.memfd_create("x"), b"four")
    near, far = socket.socketpair()
    socket.send_fds(near, [b"x"], [1]); found["descriptors"] = len(socket.recv_fds(far, 1, 1)[1])
    os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1)
    return found
"""


def test_processes_threads_loops_and_shared_memory(server):
    create(server, "processes", PROCESSES)
    found = server.invoke("processes")
    assert "FunctionError" not in found, found["Json"]
    made = found["Json"].pop("made code", 42)
    assert made == 42
    assert found["Json"] == {
        "processes": 1, "threads": list(range(8)), "loops": "ping\n", "subprocess": "42\n42\n", "/tmp": 1, "/dev/shm": 1,
        "files": ["fifo", "renamed"], "tls": True, "signal": True, "memory file": 4, "descriptors": 1,
    }


NODE = """
const crypto = require("crypto"), fs = require("fs/promises"), zlib = require("zlib"), { Worker } = require("worker_threads"), { execFile } = require("child_process"), util = require("util");
exports.handler = async () => {
  let sum = 0;
  for (let i = 0; i < 5e6; i++) sum = (sum + i * 7) % 1000003;
  const module_ = await WebAssembly.instantiate(Uint8Array.from([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,65,42,11]));
  const worker = new Worker("require('worker_threads').parentPort.postMessage(process.pid)", { eval: true });
  const pid = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  const keys = await util.promisify(crypto.generateKeyPair)("rsa", { modulusLength: 2048 });
  const signature = crypto.sign("sha256", Buffer.from("x"), keys.privateKey);
  const derived = await util.promisify(crypto.scrypt)("p", "s", 32);
  await fs.writeFile("/tmp/a", zlib.brotliCompressSync("x".repeat(1e5)));
  const { stdout } = await util.promisify(execFile)("/bin/echo", ["hello"]);
  return [sum > 0, module_.instance.exports.f(), pid === process.pid, crypto.verify("sha256", Buffer.from("x"), keys.publicKey, signature), derived.length, stdout];
};
"""


@pytest.mark.parametrize("runtime", ["nodejs20.x", "nodejs22.x"])
def test_node_compiles_threads_and_hashes(server, runtime):
    name = "native-" + runtime.split(".")[0]
    server.create(name, {"index.js": NODE}, runtime=runtime, handler="index.handler", Timeout=60, MemorySize=512)
    assert server.invoke(name)["Json"] == [True, 42, True, True, 32, "hello\n"]
