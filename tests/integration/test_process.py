"""What the daemon's process leaves behind, and who may look into it."""

from pathlib import Path

import pytest
from support.house import House, wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="needs Linux's /proc")
def test_the_daemon_dumps_no_core_and_its_files_are_its_own(tmp_path):
    house = House(tmp_path)
    try:
        daemon = house.start("up", "--for", "30s")
        wait_for(lambda: any(e["event"] == "daemon.ready" for e in house.events()), what="it")
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()
        (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        owned = Path(f"/proc/{daemon.pid}/environ").stat()
        files = [path for path in (tmp_path / ".runner").iterdir() if path.is_file()]
        open_to_others = [path.name for path in files if path.stat().st_mode & 0o077]
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0, house.logs()

        assert core.split()[4] == "0"
        assert owned.st_uid == 0  # of a process that is not dumpable, the kernel gives it to root
        assert open_to_others == []
        assert "ledger.db" in {path.name for path in files}
    finally:
        house.stop()
