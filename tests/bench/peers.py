"""The same star in Mininet or munet, for `make bench PEERS=1`; both as they come, with their own API.

    python tests/bench/peers.py mininet|munet HOSTS  ->  {"start": milliseconds, "stop": milliseconds}

It exits with status 77 where the peer is not installed. Run it in namespaces of its own, as root of them:
both change the network that they find themselves in.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time

LACKING = 77


def mininet(hosts: int) -> tuple[float, float]:
    """Start and stop hosts on one Linux bridge."""
    from mininet.net import Mininet
    from mininet.nodelib import LinuxBridge
    from mininet.topo import SingleSwitchTopo

    begin = time.perf_counter()
    net = Mininet(topo=SingleSwitchTopo(hosts), switch=LinuxBridge, controller=None)
    net.start()
    ready = time.perf_counter()
    net.stop()
    return ready - begin, time.perf_counter() - ready


async def _munet(hosts: int) -> tuple[float, float]:
    from munet.parser import async_build_topology

    names = [f"h{number}" for number in range(1, hosts + 1)]
    nodes = [{"name": name, "connections": [{"to": "lan"}]} for name in names]
    lan = {"name": "lan", "ip": "10.0.0.1/16"}
    directory = tempfile.mkdtemp()
    config = {"version": 1, "topology": {"networks": [lan], "nodes": nodes}}
    config["config_pathname"] = (
        f"{directory}/munet.yaml"  # it looks beside that file, which need not be there
    )
    begin = time.perf_counter()
    unet = await async_build_topology(config, rundir=directory, unshare_inline=False)
    await unet.run()
    ready = time.perf_counter()
    await unet.async_delete()
    return ready - begin, time.perf_counter() - ready


def munet(hosts: int) -> tuple[float, float]:
    """Start and stop hosts on one network."""
    return asyncio.run(_munet(hosts))


PEERS = {"mininet": mininet, "munet": munet}


def main() -> None:
    """Measure one star of one peer; print the times."""
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        start, stop = PEERS[sys.argv[1]](int(sys.argv[2]))
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        sys.exit(LACKING)
    os.write(answer, json.dumps({"start": start * 1000, "stop": stop * 1000}).encode())
    # What a peer leaves running may hold this process; its namespaces go with it.
    os._exit(0)


if __name__ == "__main__":
    main()
