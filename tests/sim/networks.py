"""Networks and network cards of a simulated host, as tests make them."""
import world


def new_network(x, **fields):
    return x.network.create({"name_label": "a network", "name_description": "", "MTU": "1500", "other_config": {},
                             **fields})


def new_vif(x, vm, network, device="0", **fields):
    return x.VIF.create({"VM": vm, "network": network, "device": device, "MAC": "", "MTU": "1500", "other_config": {},
                         "qos_algorithm_type": "", "qos_algorithm_params": {}, **fields})


def bridges(host):
    """What xapid-host has made, or a test in somebody else's name: name to its MTU or "foreign".  A name with a
    dot is a file that a kill left half written; a kernel makes a bridge or none."""
    return {path.name: path.read_text() for path in (host.sim / "bridges").glob("*") if "." not in path.name}


def led_out(host):
    """Of those, the ones that something leads out."""
    return {name: text for name, text in bridges(host).items() if " " in text}


CARDS = {"eth0": {"mac": "52:54:00:00:00:01", "addresses": "10.0.0.5/24;fd09::5/64", "gateway": "10.0.0.1", "dns": "10.0.0.1",
                  "dynamic": "true"},
         "eth1": {"mac": "52:54:00:00:00:02"}}


def interfaces(host, given=None):
    """The network cards of a simulated host from now on: name to what differs from a card that is up."""
    lines = []
    for name, facts in (CARDS if given is None else given).items():
        facts = {"mtu": "1500", "up": "true", "carrier": "true", "physical": "true", "speed": "1000", "duplex": "true",
                 "bus_path": "0000:00:03.0", "vendor_id": "0x8086", "device_id": "0x100e", **facts}
        lines += [f"[{name}]", *(f"{key}={value}" for key, value in facts.items())]
    (host.sim / "interfaces").write_text("\n".join(lines) + "\n")


def foreign_bridge(host, name):
    """One that the administrator made."""
    (host.sim / "bridges").mkdir(exist_ok=True)
    (host.sim / "bridges" / name).write_text("foreign")


def cards(host, x, vm):
    """What the hypervisor has: device to (MAC, bridge, MTU)."""
    uuid = x.VM.get_uuid(vm)
    return next(d["nics"] for d in world.domains(host.sim) if d["uuid"] == uuid)


def leftovers(x):
    """Cards that are attached though their VMs have no domain, or that show an operation."""
    return [f"{ref} of a VM that is {state}: {record}"
            for ref, record in x.VIF.get_all_records().items()
            for state in [x.VM.get_power_state(record["VM"])]
            if record["current_operations"] or (record["currently_attached"] and state not in ("Running", "Paused"))]
