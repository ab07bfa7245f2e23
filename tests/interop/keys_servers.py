"""The key server's programs and what befalls them under their clients' writes: kill -9 on both stores, a
database that goes away and comes back, and two servers on one store at one name."""

import json
import os
import random
import select
import signal
import subprocess
import unittest

from harness import settings
from harness.case import main
from harness.keys import Tool
from harness.postgres import why_not
from harness.settings import wait_until
from keys_case import HEX16, ROOM, KeysTest, OnPostgres

KILLS, WRITERS, NAMES = 40, 3, 120
SEED = int(os.environ.get("KILN_TEST_SEED") or random.SystemRandom().randrange(1 << 30))


class ServersTest(KeysTest):
    """Users that write, each by a program of its own: one session after the other."""

    flags = (*ROOM, "--max-keys", "1000000")

    def setUp(self):
        super().setUp()
        self.dice = random.Random(SEED)
        print(f"seed {SEED}", flush=True)

    def writers(self):
        tools = [Tool(self.gate.listen, account=f"writer{i}") for i in range(WRITERS)]
        for tool in tools:
            tool.run("register")
        return tools, [[] for _ in tools]

    def acknowledged(self, process, count):
        """That many more key ids."""
        return [self.line(process) for _ in range(count)]

    def line(self, process):
        ready, _, _ = select.select([process.stdout], [], [], settings.PATIENCE)
        self.assertTrue(ready, "no key is acknowledged any more")
        text = process.stdout.readline().decode().strip()
        self.assertRegex(text, HEX16)
        return text

    def rest(self, process):
        """What it had been told before its server went; and it says that it was not served."""
        out, _ = process.communicate(timeout=settings.PATIENCE)
        self.assertEqual(process.returncode, 1)
        return out.decode().split()

    def kept(self, tools, kept, cuts):
        """Each key that was acknowledged is there, and at most what was under way at each cut besides."""
        for tool, keys in zip(tools, kept):
            self.assertTrue(all(HEX16.match(key) for key in keys))
            self.assertEqual(tool.run("have", stdin="\n".join(keys).encode()), [str(len(keys))])
        total = sum(map(len, kept))
        self.keys.stop()
        done = subprocess.run([settings.KILN, "keys", "check", "--json", *self.store],
                              capture_output=True, timeout=settings.PATIENCE, check=True)
        report = json.loads(done.stdout)
        self.assertTrue(report["good"], report)
        self.assertEqual(report["users"], len(tools))
        self.assertIn(report["keys"], range(total, total + cuts * len(tools) + 1))
        print(f"{cuts} cuts, {total} acknowledged keys found again, {report['keys'] - total} that were "
              "under way", flush=True)


class Killed(ServersTest):
    """SIGKILL for the server's process, under all writers, at any moment of a write."""

    def test_killed_under_writes(self):
        tools, kept = self.writers()
        for _ in range(KILLS):
            running = [tool.start("store", 100000) for tool in tools]
            for process, keys in zip(running, kept):
                keys += self.acknowledged(process, 1 + self.dice.randrange(4))
            # Anywhere in what a write takes: not a wait for something.
            select.select([], [], [], self.dice.random() * 0.01)
            self.keys.signal(signal.SIGKILL)
            for process, keys in zip(running, kept):
                keys += self.rest(process)
            self.restart()
        self.kept(tools, kept, KILLS)


@unittest.skipIf(why_not(), why_not() or "")
class KilledOnPostgres(OnPostgres, Killed):
    pass


@unittest.skipIf(why_not(), why_not() or "")
class Away(OnPostgres, ServersTest):
    def test_the_database_is_stopped_and_started(self):
        """The server lives on: nobody is served meanwhile, and everybody afterwards."""
        tools, kept = self.writers()
        for mode in ("fast", "immediate"):
            running = [tool.start("store", 100000) for tool in tools]
            for process, keys in zip(running, kept):
                keys += self.acknowledged(process, 3)
            self.database.stop(mode)
            for process, keys in zip(running, kept):
                keys += self.rest(process)
            self.assertNotEqual(self.try_store(tools[0]), [])
            self.assertIsNone(self.keys.process.poll())
            self.database.start()
            for tool, keys in zip(tools, kept):
                wait_until("service as before", lambda tool=tool, keys=keys: not self.try_store(
                    tool, keys))
        self.kept(tools, kept, 2)

    def try_store(self, tool, keys=None):
        """Its complaint, in words; none when it is served."""
        process = tool.start("store", 1)
        out, err = process.communicate(timeout=settings.PATIENCE)
        if keys is not None:
            keys += out.decode().split()
        return err.decode().split()


@unittest.skipIf(why_not(), why_not() or "")
class Race(OnPostgres, ServersTest):
    def setUp(self):
        super().setUp()
        self.other_keys = self.serve(name="other")
        self.other_gate = self.gateway(name="other")

    def test_one_name_at_both_at_once(self):
        """Each name is asked for at both servers at the same time, under two passwords: one gets it, and
        gets in at both servers; the other one does not."""
        racers = [Tool(gate.listen, password=f"of {gate.listen}")
                  for gate in (self.gate, self.other_gate)]
        running = [racer.start("race") for racer in racers]
        won = []
        for number in range(NAMES):
            # Who is told first alternates.
            for process in running if number % 2 else reversed(running):
                process.stdin.write(b"name%d\n" % number)
            told = [process.stdout.readline().decode().strip() for process in running]
            self.assertEqual(told.count("ok"), 1, told)
            self.assertIn(told[told.index("ok") - 1], ("keys_name", "keys_busy"), told)
            won.append(told.index("ok"))
        for process in running:
            process.communicate(timeout=settings.PATIENCE)
            self.assertEqual(process.returncode, 0)
        for number in range(0, NAMES, 10):
            for who, racer in enumerate(racers):
                for gate in (self.gate, self.other_gate):
                    self.log_in(gate, f"name{number}", f"of {racers[who].listen}",
                                won[number] == who)
        print(f"{NAMES} names, one winner each: {won.count(0)} and {won.count(1)}", flush=True)
        self.assertGreater(won.count(0) * won.count(1), 0, "one of them always came first")

    def log_in(self, gate, account, password, good):
        tool = Tool(gate.listen, account=account, password=password)
        tool.run("store", 1, status=0 if good else 1)


if __name__ == "__main__":
    main()
