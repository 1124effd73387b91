"""Networks and network cards of a simulated host, as tests make them."""


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


def foreign_bridge(host, name):
    """One that the administrator made."""
    (host.sim / "bridges").mkdir(exist_ok=True)
    (host.sim / "bridges" / name).write_text("foreign")


def leftovers(x):
    """Cards that are not attached as the state of their VMs says."""
    return [f"{ref} is attached: {record['currently_attached']}, its VM is {state}"
            for ref, record in x.VIF.get_all_records().items()
            for state in [x.VM.get_power_state(record["VM"])]
            if record["currently_attached"] != (state in ("Running", "Paused"))]
