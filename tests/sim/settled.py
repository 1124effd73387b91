"""What must hold on a simulated host once nothing is in flight."""
import time

import disks
import networks
import world
from host import Failure
from owner import SETTLE


def without_a_vm(host, x, domains):
    """What is on the host and belongs to no record, beyond domains, images and files of disks."""
    found = []
    vbds, vifs, vms = x.VBD.get_all_records(), x.VIF.get_all_records(), x.VM.get_all_records()
    by_uuid = {record["uuid"]: ref for ref, record in vms.items()}
    for uuid, domain in domains.items():
        vm = by_uuid.get(uuid)
        drives = {r["uuid"] for r in vbds.values() if r["VM"] == vm and r["currently_attached"]}
        cards = {r["MAC"] for r in vifs.values() if r["VM"] == vm and r["currently_attached"]}
        if set(domain["disks"].values()) - {""} != drives:
            found.append(f"domain {domain} has not the drives {drives}")
        if {mac for mac, _, _ in domain["nics"].values()} != cards:
            found.append(f"domain {domain} has not the cards {cards}")
    ours = {record["bridge"] for record in x.network.get_all_records().values()}
    found += [f"bridge {name} is of no network" for name, kind in networks.bridges(host).items()
              if kind != "foreign" and name not in ours]
    for what, folder, names in (("mark of a build", host.sim / "building", "*"), ("reservation", host.sim / "reserved", "*-*"),
                                ("part of a core", host.sim / "cores", "*.part"), ("part of a handle", host.disks, ".*"),
                                ("part", host.dir / "state", "*.partial*"), ("part", host.dir / "state", "*.ready"),
                                ("part", host.dir, "state.new"), ("part", host.dir / "state", "xapid-ssl.pem.*")):
        found += [f"{what} {path.name} is left" for path in folder.glob(names)]
    return found


def differences(host, x):
    """Where the records and the simulator's world disagree, and what has not ended."""
    found = []
    domains = {}
    for domain in world.domains(host.sim):
        if domain["state"] == "dying":
            found.append(f"domain {domain} is dying and nobody removes it")
        elif not domain["recorded"]:
            found.append(f"domain {domain} is half built")
        else:
            domains[domain["uuid"]] = domain
    # What is built ahead of a start that is wanted belongs to nobody, and its VM is halted.
    wanted = {record["uuid"] for record in x.VM.get_all_records().values()
              if record["power_state"] == "Halted" and record["other_config"].get("ready_domain") == "true"}
    for uuid in wanted & world.ready(host.sim).keys():
        domains.pop(uuid, None)
    domains_of_vms = dict(domains)
    images = {path.name for path in (host.sim / "images").glob("*")}
    records = x.VM.get_all_records()
    for ref, record in records.items():
        if record["is_control_domain"]:
            continue
        domain = domains.pop(record["uuid"], None)
        suspended = record["uuid"] in images
        images.discard(record["uuid"])
        state = (domain["state"].capitalize() if domain else "Suspended" if suspended else "Halted")
        if domain and suspended:
            found.append(f"{ref} runs, and its image is still there")
        if record["power_state"] != state:
            found.append(f"{ref} is {record['power_state']}, its domain {domain}")
        if domain and int(record["domid"]) != domain["domid"]:
            found.append(f"{ref} has domid {record['domid']}, its domain is {domain}")
        if record["current_operations"]:
            found.append(f"{ref}: {record['current_operations']} goes on")
        metrics = x.VM_metrics.get_record(record["metrics"])
        if metrics["state"] != ([domain["state"]] if domain else []):
            found.append(f"{ref}: metrics say {metrics['state']}, its domain is {domain}")
    found += [f"domain {domain} has no record" for domain in domains.values()]
    found += [f"image {image} is nobody's" for image in images]
    found += without_a_vm(host, x, domains_of_vms)
    found += [f"task {ref} is open: {record['name_label']}"
              for ref, record in x.task.get_all_records().items()
              if record["status"] in ("pending", "cancelling")]
    return found + disks.leftovers(host, x) + networks.leftovers(x)


def wait(host, x, but="\n"):
    """What is wrong still when all has had time to end; not what has `but` in it."""
    end = time.monotonic() + SETTLE
    while True:
        found = [line for line in differences(host, x) if but not in line]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def check(host):
    """The same, and what the simulator noted of all the time before."""
    host.wait_up()
    x = host.client()
    found = wait(host, x)
    x.session.logout()
    violations = host.violations()
    return found + ([violations] if violations else [])


def insist(host, vm):
    """A client once nothing goes on with the VM any more."""
    end = time.monotonic() + 30
    while True:
        try:
            x = host.client()
            if not x.VM.get_current_operations(vm):
                return x
        except (OSError, Failure, ConnectionError):
            pass
        assert time.monotonic() < end, "it goes on for ever"
        time.sleep(0.05)
