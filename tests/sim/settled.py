"""What must hold on a simulated host once nothing is in flight."""
import time

import disks
import world
from owner import SETTLE


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
    found += [f"task {ref} is open: {record['name_label']}"
              for ref, record in x.task.get_all_records().items()
              if record["status"] in ("pending", "cancelling")]
    return found + disks.leftovers(host, x)


def check(host):
    """What is wrong still when all has had time to end."""
    host.wait_up()
    x = host.client()
    end = time.monotonic() + SETTLE
    while True:
        found = differences(host, x)
        if not found or time.monotonic() > end:
            break
        time.sleep(0.02)
    x.session.logout()
    violations = host.violations()
    return found + ([violations] if violations else [])
