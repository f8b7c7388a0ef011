"""More than there is room for: memory, scaling rates, crashes, updates in the middle of everything."""

import concurrent.futures
import os
import signal
import threading
import time
import urllib.request

import botocore.exceptions
import pytest

from conftest import package, wait_for

#: Holds what the event says, for as long as it says.
HOLDER = """
import time
def handler(event, context):
    held = bytearray(event.get("mb", 0) << 20)
    time.sleep(event.get("seconds", 0))
    return len(held)
"""
#: The same, and keeps it.
KEEPER = HOLDER.replace("    held =", "    global held\n    held =")


def figures(server):
    page = urllib.request.urlopen(server.url + "/_lambent/metrics").read().decode()
    pairs = (line.split() for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def refusal(server, name, event):
    """What is said to a request that is refused."""
    with pytest.raises(botocore.exceptions.ClientError) as error:
        server.invoke(name, event)
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    return response["Error"]["Code"], response["Reason"], response["ResponseMetadata"]["HTTPHeaders"].get("retry-after")


def test_on_a_full_host_idle_environments_make_room_then_requests_are_refused(own_server):
    own_server.options = ("--environments-max-mb", "150", "--memory-queue", "1", "--freeze-after-ms", "100")
    own_server.start()
    own_server.create("keeper", KEEPER, MemorySize=1024, Timeout=60)
    own_server.create("other", HOLDER, MemorySize=1024, Timeout=60)
    assert own_server.invoke("keeper", {"mb": 150})["Json"] == 150 << 20
    wait_for(lambda: figures(own_server)["lambent_environments_memory_mebibytes"] > 150, "it has been seen when it was frozen")
    # 128 for one of which nothing is known do not fit beside it.
    assert own_server.invoke("other")["Json"] == 0
    now = figures(own_server)
    assert (now["lambent_evictions_total"], now["lambent_environments"]) == (1, 1)
    wait_for(lambda: figures(own_server)["lambent_environments_memory_mebibytes"] < 100, "it holds little")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        busy = pool.submit(own_server.invoke, "other", {"seconds": 8})
        wait_for(lambda: figures(own_server)["lambent_concurrent_executions"] == 1, "one is busy")
        # Known to hold all that there is: does not fit beside the busy one until that is idle.
        waiting = pool.submit(own_server.invoke, "keeper", {"mb": 1})
        wait_for(lambda: figures(own_server)["lambent_concurrent_executions"] == 2, "one waits")
        environments = figures(own_server)["lambent_environments"]
        if not busy.done():
            refused = refusal(own_server, "keeper", {})
            assert refused == ("TooManyRequestsException", "ConcurrentInvocationLimitExceeded", "1")
            assert environments == 1 and not waiting.done()
        assert busy.result()["Json"] == 0
        assert waiting.result()["Json"] == 1 << 20


def test_beyond_the_scaling_rate_requests_are_refused_until_it_is_refilled(own_server):
    own_server.options = ("--scaling-rate", "2")
    own_server.start()
    own_server.create("scaling", HOLDER, Timeout=60)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(own_server.invoke, "scaling", {"seconds": 4}) for _ in range(2)]
        wait_for(lambda: figures(own_server)["lambent_environments"] == 2, "both have one")
        if not any(one.done() for one in busy):
            refused = refusal(own_server, "scaling", {})
            assert refused == ("TooManyRequestsException", "FunctionInvocationRateLimitExceeded", "1")
        assert [one.result()["Json"] for one in busy] == [0, 0]
    # What is warm has no such limit.
    for _ in range(5):
        assert own_server.invoke("scaling")["Json"] == 0


def test_the_kernel_takes_a_function_before_the_server(server):
    source = "def handler(event, context):\n    return int(open('/proc/self/oom_score_adj').read())\n"
    server.create("score", source)
    server.create("score-executed", source, Environment={"Variables": {"PYTHONOPTIMIZE": "1"}})
    own = int(open("/proc/%d/oom_score_adj" % server.process.pid).read())
    for name in ("score", "score-executed"):
        assert server.invoke(name)["Json"] > own


def test_updates_of_code_and_configuration_fail_no_request(server):
    server.create("updated", {"app.py": "def handler(event, context):\n    return 0\n"}, Timeout=30)
    client, over, seen = server.lambda_, threading.Event(), []

    def ask():
        while not over.is_set():
            answer = server.invoke("updated")
            assert "FunctionError" not in answer
            seen.append(answer["Json"])

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            for number in range(1, 6):
                code = package({"app.py": "def handler(event, context):\n    return %d\n" % number})
                client.update_function_code(FunctionName="updated", ZipFile=code)
                client.get_waiter("function_updated_v2").wait(FunctionName="updated", WaiterConfig={"Delay": 1})
                client.update_function_configuration(FunctionName="updated", MemorySize=128 + number)
                client.get_waiter("function_updated_v2").wait(FunctionName="updated", WaiterConfig={"Delay": 1})
                wait_for(lambda: number in seen, "the new code answers")
        finally:
            over.set()
        for one in asking:
            one.result()
    assert server.invoke("updated")["Json"] == 5
    assert set(seen) == set(range(6)) or set(seen) == set(range(1, 6))


def test_a_provisioned_environment_that_crashes_is_replaced_before_anybody_asks(server):
    source = """
import os
def handler(event, context):
    if event.get("crash"):
        os._exit(3)
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""
    server.create("crasher", source)
    client = server.lambda_
    client.publish_version(FunctionName="crasher")
    client.put_provisioned_concurrency_config(FunctionName="crasher", Qualifier="1", ProvisionedConcurrentExecutions=1)

    def ready():
        config = client.get_provisioned_concurrency_config(FunctionName="crasher", Qualifier="1")
        return config["Status"] == "READY" and config["AvailableProvisionedConcurrentExecutions"] == 1

    wait_for(ready, "it is provisioned")
    before = figures(server)["lambent_cold_starts_total"]
    crashed = server.invoke("crasher", {"crash": True}, Qualifier="1")
    assert crashed["Json"]["errorType"] == "Runtime.ExitError"
    wait_for(lambda: figures(server)["lambent_cold_starts_total"] == before + 1, "another one is started")
    wait_for(ready, "it is provisioned again")
    assert server.invoke("crasher", Qualifier="1")["Json"] == "provisioned-concurrency"
    assert figures(server)["lambent_cold_starts_total"] == before + 1


def test_where_the_time_of_a_cold_start_goes_is_in_the_metrics(own_server):
    own_server.start()
    own_server.create("phases", HOLDER + "time.sleep(0.1)\n")
    began = time.monotonic()
    own_server.invoke("phases", {"seconds": 0.2})
    took = time.monotonic() - began
    now, spent = figures(own_server), {}
    for phase in ("admission", "attach", "mount", "environment", "import", "poll", "reply"):
        labelled = 'lambent_cold_start_phase_seconds_%s{phase="' + phase + '"%s}'
        assert now[labelled % ("count", "")] == now[labelled % ("bucket", ',le="+Inf"')] == 1
        spent[phase] = now[labelled % ("sum", "")]
    assert spent["reply"] >= 0.2 and spent["environment"] + spent["import"] >= 0.1 and min(spent.values()) >= 0
    assert sum(spent.values()) <= took
    # What is warm has no phases.
    own_server.invoke("phases")
    assert figures(own_server)['lambent_cold_start_phase_seconds_count{phase="reply"}'] == 1


def test_a_log_on_a_full_disk_ends_no_sandbox(own_server):
    own_server.prefix = ("sh", "-c", 'exec "$@" 2>/dev/full', "sh")
    own_server.start()
    own_server.create("unheard", HOLDER)

    def parked():
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_parked_of(own_server, pid)]

    # The launcher has something to say about each, and nobody to say it to.
    for pid in wait_for(parked, "an interpreter is parked"):
        os.kill(pid, signal.SIGKILL)
    for _ in range(3):
        assert own_server.invoke("unheard")["Json"] == 0


def is_parked_of(server, pid):
    try:
        with open("/proc/%s/environ" % pid, "rb") as file:
            environment = file.read()
        # Forked ones have their zygote's, which ends here, too.
        waits = b"_LAMBENT_PARKED_FD=" in environment or b"_LAMBENT_ZYGOTE_FD=" in environment
        while waits and pid not in ("0", "1"):
            if int(pid) == server.process.pid:
                return True
            with open("/proc/%s/stat" % pid) as file:
                pid = file.read().rpartition(")")[2].split()[1]
    except OSError:
        pass
    return False
