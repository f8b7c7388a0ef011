"""The runtime client in Rust, as a function of its own."""

import json
import subprocess

import pytest
from conftest import BINARY, ROOT


@pytest.fixture(scope="module")
def echo():
    """The client's example, built as the server was."""
    path = BINARY.parent / "examples/echo"
    if not path.exists():
        path = ROOT / "target/debug/examples/echo"
        subprocess.run(["cargo", "build", "--quiet", "--package", "lambent-function", "--example", "echo"], cwd=ROOT, check=True)
    return path.read_bytes()


def test_a_function_with_the_runtime_client_in_rust_answers_one_event_after_the_other(server, echo):
    server.create("native-echo", {"bootstrap": echo}, runtime="provided.al2023", modes={"bootstrap": 0o755}, Timeout=30)
    for number in range(5):
        assert server.invoke("native-echo", {"number": number})["Json"] == {"number": number}
    large = {"text": "ä" * 1_000_000}
    assert server.invoke("native-echo", large)["Json"] == large
    assert len([line for line in server.messages("native-echo", "REPORT") if "Init Duration" in line]) == 1


def test_what_is_too_large_for_an_answer_is_its_invocations_failure_alone(server, echo):
    server.create("native-large", {"bootstrap": echo}, runtime="provided.al2023", modes={"bootstrap": 0o755}, Timeout=30)
    # Each of these letters is one byte in the request, and the whole is below what a request may have.
    fits = server.invoke("native-large", "x" * (6 * 1024 * 1024 - 100))
    assert "FunctionError" not in fits
    assert json.loads(fits["Body"]) == "x" * (6 * 1024 * 1024 - 100)
    assert server.invoke("native-large", [1])["Json"] == [1]
