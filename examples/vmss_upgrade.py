"""Upgrade some instances of a scale set, or one update domain, to a new image, all at once.

    python examples/vmss_upgrade.py -r mygroup -s web -n 22.04.202411010 -u 0
    python examples/vmss_upgrade.py -r mygroup -s web -l 3,7
    python examples/vmss_upgrade.py --sandbox -u 0

Without a new image the instances take the model as it is. For the whole set, domain by domain, see
rollout.py.
"""

from __future__ import annotations

import argparse
import json

import common

import azurerm_lite as az


def parse_id(text: str) -> str:
    """Return one id."""
    if "," in text:
        raise argparse.ArgumentTypeError("one instance; several go in --vmlist")
    return text


def parse_ids(text: str) -> list[str]:
    """Return the ids of a JSON list, or of a list with commas."""
    if text.lstrip().startswith("["):
        return [str(instance_id) for instance_id in json.loads(text)]
    return [instance_id.strip() for instance_id in text.split(",")]


def parser() -> argparse.ArgumentParser:
    """Return a parser: the arguments of all examples, and which instances."""
    arguments = common.parser(__doc__.partition("\n")[0] if __doc__ else None)
    which = arguments.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--updatedomain", "-u", type=int, metavar="N", help="the instances of this update domain"
    )
    which.add_argument("--vmid", "-i", type=parse_id, metavar="ID", help="this instance")
    which.add_argument(
        "--vmlist", "-l", type=parse_ids, metavar="IDS", help='these: a JSON list ["3", "7"] or 3,7'
    )
    arguments.add_argument(
        "--nowait", "-w", action="store_true", help="start the upgrade and leave"
    )
    return arguments


def instance_ids(where: common.Where, options: argparse.Namespace) -> list[str]:
    """Return the ids that were asked for, all of which the scale set has."""
    instances = az.get_instance_views(*where)
    domain = options.updatedomain
    if domain is not None:
        domains = az.by_update_domain(instances)
        if domain not in domains:
            known = ", ".join(map(str, domains))
            raise ValueError(f"there is no update domain {domain}: there are {known}")
        return domains[domain]
    ids = options.vmlist or [options.vmid]
    az.plan_rollout(instances, only=ids)  # raises if the set does not have them
    return ids


def main() -> int:
    """Change the model if an image was given, and upgrade the instances."""
    arguments = parser()
    options = arguments.parse_args()
    with common.signed_in(arguments, options) as where:
        model = common.read_model(where)
        ids = instance_ids(where, options)
        model = common.put_model(where, model, options)
        print(f"Upgrading {len(ids)} of the instances of {where.vmss_name}: {', '.join(ids)}")
        common.confirm(options, "Upgrade them?")
        if options.nowait:
            az.manual_upgrade(*where, ids)
            print("The upgrade is under way in Azure.")
            return common.DONE
        for event in az.rollout(*where, by=len(ids), only=ids):
            print(event)
        print(f"They run {common.image_of(model)}.")
    return common.DONE


if __name__ == "__main__":
    common.run(main)
