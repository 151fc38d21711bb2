"""How waiting threads are told to wait, before torch loads."""

import subprocess
import sys

import pytest

from flowlib import threads


def ticks(user, idle):
    return f"cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3 4\n"


class Processors:
    """Stands in for /proc/stat: a text for each reading."""

    def __init__(self, *texts):
        self.texts = iter(texts)

    def read_text(self):
        return next(self.texts)


@pytest.mark.parametrize("user, idle, cores, busy", [(0, 20, 2, 0.0), (10, 10, 2, 1.0), (20, 0, 2, 2.0), (10, 150, 16, 1.0)])
def test_busy_cores_are_those_that_did_not_idle_in_between(monkeypatch, user, idle, cores, busy):
    monkeypatch.setattr(threads, "PROCESSOR_TIMES", Processors(ticks(1000, 5000), ticks(1000 + user, 5000 + idle)))
    monkeypatch.setattr(threads.os, "cpu_count", lambda: cores)
    assert threads.busy_cores(0) == pytest.approx(busy)


@pytest.mark.parametrize("text", ["", "cpu none\n"])
def test_a_system_that_does_not_say_counts_as_busy(monkeypatch, tmp_path, text):
    monkeypatch.setattr(threads, "PROCESSOR_TIMES", Processors(text))
    assert threads.busy_cores(0) == float("inf")
    monkeypatch.setattr(threads, "PROCESSOR_TIMES", tmp_path / "absent")
    assert threads.busy_cores(0) == float("inf")


@pytest.mark.parametrize("busy, expected", [(0.1, {"GOMP_SPINCOUNT": "1000"}), (1.0, {"OMP_WAIT_POLICY": "PASSIVE"})])
def test_threads_spin_briefly_on_an_idle_machine_and_sleep_on_a_busy_one(monkeypatch, busy, expected):
    monkeypatch.setattr(threads, "busy_cores", lambda: busy)
    environment = {}
    threads.choose_waiting(environment)
    assert environment == expected


@pytest.mark.parametrize("own", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_a_users_own_choice_stands(own):
    environment = dict(own)
    threads.choose_waiting(environment)
    assert environment == own


def test_the_command_line_chooses_before_torch_loads():
    code = (
        "import runpy, sys\nfrom flowlib import threads\n"
        "threads.choose_waiting = lambda: print('torch' in sys.modules, flush=True)\n"
        "sys.argv = ['flowlib', '--help']\nrunpy.run_module('flowlib', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "False"
