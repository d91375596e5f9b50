"""
The real engine under whatever hypothesis thinks of: crashes, lost requests and replies, a service
that lies, includes late or never, and a chain that takes blocks back; in virtual time.
"""

import asyncio

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from model.engine import World
from runner.adapters.virtual import VirtualLoop

FAULTS = st.one_of(
    st.builds(lambda n: {"kind": "never_include", "count": n}, st.integers(1, 3)),
    st.builds(
        lambda n, s: {"kind": "late_include", "count": n, "seconds": s},
        st.integers(1, 3),
        st.sampled_from([5, 30, 90, 600]),
    ),
    st.builds(lambda n: {"kind": "reorg", "depth": n}, st.integers(1, 3)),
    st.builds(
        lambda s: {"kind": "lie_status", "status": s},
        st.sampled_from([400, 100, 200, 500, 600, 7]),
    ),
    st.builds(lambda n: {"kind": "fee_spike", "factor": n}, st.sampled_from([2, 50])),
    st.just({"kind": "refuse_sponsorship", "count": 2}),
)


class Engine(RuleBasedStateMachine):
    """Each rule is something that happens; between them the daemon does what it does."""

    def __init__(self):
        super().__init__()
        self.loop = VirtualLoop()
        self.world = None

    def do(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    @initialize()
    def begin(self):
        self.world = self.do(World.open())
        self.do(self._start())

    async def _start(self):
        self.world.start()

    @rule(seconds=st.sampled_from([0.01, 0.3, 1, 3, 11, 47, 200]))
    def time_passes(self, seconds):
        self.do(self.world.pass_time(seconds))

    @rule(seconds=st.sampled_from([0, 2, 33, 130, 700]))
    def the_daemon_crashes(self, seconds):
        self.do(self.world.crash())
        self.do(self.world.pass_time(seconds))
        self.do(self._start())

    @rule(count=st.integers(1, 6))
    def requests_are_lost(self, count):
        self.world.wires[0].requests += count

    @rule(count=st.integers(1, 6))
    def replies_are_lost(self, count):
        self.world.wires[0].replies += count

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=4), seconds=st.sampled_from([1, 25, 70]))
    def things_go_wrong_at_once(self, faults, seconds):
        for fault in faults:
            self.do(self.world.control("sandbox_setFault", fault))
        self.do(self.world.pass_time(seconds))

    @rule()
    def all_goes_well_again(self):
        self.do(self.world.control("sandbox_clearFaults", {}))

    @invariant()
    def nothing_is_paid_twice_or_denied(self):
        if self.world is not None:
            fault = self.do(self.world.wrong())
            assert fault is None, fault

    def teardown(self):
        try:
            if self.world is not None:
                self.do(self.world.calm())
                fault = self.do(self.world.wrong_at_rest())
                assert fault is None, fault
        finally:
            if self.world is not None:
                self.do(self.world.close())
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


TestEngine = Engine.TestCase
TestEngine.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # a failing run takes minutes to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
